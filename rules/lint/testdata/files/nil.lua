chert.every("1h", { name = "tick" }, function(ev)
  chert.mark_read(ev.chat.id) --> "19: error: ev.chat is nil in a .schedule. event: ev.chat.id fails \[CH042\].check it first"
  chert.cancel_read(ev.chat.id)
  ev.state.n = 1 --> "ev.state is nil in a .schedule. event: ev.state.n fails \[CH042\].store it in kv"
end)
chert.on("*", function(ev)
  chert.mark_read(ev.chat.id) --> "19: warning: ev.chat may be nil in a .\*. event: then ev.chat.id fails \[CH042\]"
end)
chert.on("*", { is_group = false }, function(ev)
  chert.mark_read(ev.chat.id)
end)
chert.on("*", { chat = true }, function(ev)
  chert.mark_read(ev.chat.id)
  ev.state.seen = true
end)
chert.rule({ name = "in a chat", on = "*", where = { chat = true, text = "x" }, run = function(ev)
  chert.mark_read(ev.chat.id)
end })
chert.on("*", { text = "x" }, function(ev)
  chert.mark_read(ev.chat.id) --> "19: warning: ev.chat may be nil in a .\*. event: then ev.chat.id fails \[CH042\].require a chat: where = { chat = true }"
end)
chert.rule({ name = "not in c1", on = "*", where = { except = { chat = "c1" } }, run = function(ev)
  chert.mark_read(ev.chat.id) --> "ev.chat may be nil in a .\*. event"
end })
chert.on("*", function(ev)
  if not ev.chat then
    return
  end
  chert.mark_read(ev.chat.id)
end)
chert.on("*", function(ev)
  local chat = ev.chat
  if chat and not chat.is_group then
    chert.mark_read(chat.id)
  end
end)
chert.on("*", function(ev)
  if ev.type == "message.received" then
    chert.mark_read(ev.chat.id)
  end
end)
chert.on("message.received", function(ev)
  log.info(ev.action.code) --> "ev.action is nil in a .message.received. event"
end)
local function tell(ev)
  log.info(ev.id, { chat = ev.chat.id })
end
chert.on("*", function(ev)
  if ev.chat then
    tell(ev)
  end
end)
chert.on("message.received", function(ev)
  chert.mark_read(ev.chat.id)
  chert.set_timer("t", "1m")
end)
chert.on("timer:t", function(ev)
  chert.mark_read(ev.chat.id)
  log.info(ev.message.id) --> "ev.message is nil in a .timer:t. event"
end)
chert.on("action.failed", function(ev)
  log.info(ev.action.code, { chat = ev.chat.id })
end)
-----
chert.on("message.received", function(ev)
  if ev.at > "2026" then --> "6: warning: ev.at is a number: comparing it with a string is an error \[CH043\].times are Unix seconds"
    return
  end
  if ev.at == "2026" or "x" == ev.chat.is_group then --> "ev.at is a number: comparing it with a string is always false" "ev.chat.is_group is a boolean"
    return
  end
  if ev.text ~= nil and ev.text == 5 then --> "ev.text is always a string: comparing it with nil is always true" "ev.text is a string: comparing it with a number is always false"
    return
  end
  if ev.message.direction == "incoming" then --> "30: warning: ev.message.direction is .inbound. or .outbound.: comparing it with .incoming. is always false"
    return
  end
  if ev.from == nil or ev.at == nil or ev.payload == 5 or ev.message.direction == "inbound" or ev.text == "" or ev.at < chert.now() then
    return
  end
end)
-----
chert.on("message.received", function(ev)
  if ev.text == "a" or "b" then --> "24: warning: the right side of or is not a comparison, and is always true \[CH043\].compare with each value: a == x or a == y"
    return
  end
  if ev.text == "a" or "b" or "c" or ev.text ~= "d" or 5 then --> "24: warning: the right side of or" "56: warning: .*compare with each value: a ~= x"
    return
  end
  if not ev.text == "a" then --> "warning: not applies only to the left operand: true or false is compared with a string, which is always false \[CH043\].write a ~= b"
    return
  end
  local name = ev.from or "somebody"
  local kind = ev.text == "a" and "x" or "y"
  if not (ev.text == "a") or (not ev.chat.is_group) == true or ev.text == "a" or ev.text == "b" then
    log.info(name .. kind)
  end
end)
-----
chert.on("message.received", { from = data.load("vips.txt") }, function(ev) --> "there is no data .vips.txt. .CH018.*omit the extension: data.load reads data/vips.yaml,"
  chert.mark_read(ev.chat.id)
end)
