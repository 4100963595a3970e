local table = table
local string = { trim = function(s)
  return (s:gsub("^%s+", ""):gsub("%s+$", ""))
end }

chert.on("message.received", function(ev)
  local config = { quiet = 5 }
  local text = string.trim(ev.text)
  local kv = { a = config.quiet }
  kv.b = 2
  if table.concat({ text, "!" }) == "hi!" then
    log.info(text, { n = kv.a })
  end
end)
