local LINES = {
  sales = { line = "+14155550101", wait = "1m" },
  support = { line = "+14155550102", wait = "5m" },
}

local function make(name, settings)
  chert.rule({
    name = "wait on " .. name,
    on = "message.received",
    where = { line = settings.line },
    run = function(ev)
      chert.mark_read(ev.chat.id, { after = settings.wait })
    end,
  })
end

for _, name in ipairs({ "sales", "support" }) do
  make(name, LINES[name])
end
