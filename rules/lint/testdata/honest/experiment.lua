local arms = { a = 0, b = 0 }
arms.a, arms.b = 1, 2
local order = {}
for name in pairs(arms) do
  order[#order + 1] = name
end
table.sort(order)

chert.rule({
  name = "experiment",
  on = "message.received",
  sample = 0.25,
  run = function(ev)
    local arm = order[math.random(#order)]
    ev.state.arm = ev.state.arm or arm
    if ev.state.arm == "a" then
      chert.mark_read(ev.chat.id, { after = math.floor(30 * math.random()) })
    end
    log.info("arm", { arm = ev.state.arm, chat = ev.chat.id, at = ev.at })
  end,
})
