chert.on("message.received", function(ev)
  assert(ev.id == "chert:msg:1" and ev.type == "message.received" and ev.source == "webhook")
  assert(ev.at == 1767614398.5, ev.at)
  assert(ev.text == "Your code is 123456" and ev.from == "+14155551234")
  assert(ev.chat.id == "c1" and ev.chat.is_group == false and ev.chat.line == "+14152165723")
  assert(ev.message.id == "m1" and ev.message.direction == "inbound" and ev.message.sent_at == ev.at)
  assert(ev.message.text == ev.text and ev.message.from == ev.from)
  assert(#ev.chat.handles == 2 and ev.chat.handles[1].is_me and not ev.chat.handles[2].is_me)
  assert(#ev.message.parts == 2 and ev.message.parts[1].type == "text" and ev.message.parts[3] == nil)
  assert(#ev.message.media == 1 and ev.message.media[1].mime_type == "image/jpeg")
  assert(ev.message.parts[1].mime_type == nil and ev.message.parts[2].value == nil)
  assert(ev.raw.data.chat.labels[1] == "x" and ev.raw.data.chat.labels[3] == "y" and ev.raw.n == 1.5)
  assert(ev.payload == nil and ev.action == nil and ev.signal == nil)
  assert(ev.chat == ev.chat and ev.message == ev.message and ev.raw == ev.raw)
  assert(ev.text:find("code", 1, true) == 6)
end)

-- It behaves like a table.
chert.on("message.received", function(ev)
  local names = {}
  for k in pairs(ev) do
    names[#names + 1] = k
  end
  assert(table.concat(names, " ") == "id type at age source text from chat message", table.concat(names, " "))
  local seen = 0
  for i, part in ipairs(ev.message.parts) do
    assert(part == ev.message.parts[i])
    seen = seen + i
  end
  assert(seen == 3)
  for _, h in pairs(ev.chat.handles) do
    assert(h.service == "imessage")
  end
  assert(type(ev) == "table" and type(ev.chat) == "table")
  assert(json.encode(ev.chat) == '{"id":"c1","is_group":false,"line":"+14152165723","handles":[{"handle":"+14152165723","service":"imessage","is_me":true},{"handle":"+14155551234","service":"imessage","is_me":false}]}', json.encode(ev.chat))
  local copy = json.decode(json.encode(ev))
  assert(copy.message.parts[2].attachment_id == "in_1" and copy.at == ev.at)
  assert(next(ev.message.media, 1) == nil)
end)

-- What an event lacks is nil.
chert.on("schedule", function(ev)
  assert(ev.chat == nil and ev.message == nil and ev.from == nil and ev.raw == nil and ev.state == nil)
  assert(ev.text == "")
end)

chert.on("timer:settle", function(ev)
  assert(ev.payload.n == 3 and ev.payload.who[2] == "b" and ev.chat.line == nil and ev.chat.handles == nil and ev.chat.is_group == nil)
end)

chert.on("action.failed", function(ev)
  local a = ev.action
  assert(a.kind == "read" and a.chat == "c1" and a.code == 4099 and a.status == "dead" and a.attempts == 2 and a.trace_id == "tr")
end)

chert.on("signal:human_replied", function(ev)
  local s = ev.signal
  assert(s == ev.signal and s.name == "human_replied" and s.data.agent == "Ann" and s.data == s.data and s.data.tags[2] == "vip")
  assert(ev.type == "signal:human_replied" and ev.source == "signal" and ev.message == nil and ev.payload == nil and ev.text == "")
  assert(json.encode(s) == '{"name":"human_replied","data":{"agent":"Ann","tags":["new","vip"]}}', json.encode(s))
  local names = {}
  for k in pairs(ev) do
    names[#names + 1] = k
  end
  assert(table.concat(names, " "):find("signal", 1, true))
end)
chert.on("signal:none", function(ev)
  assert(ev.signal.name == "none" and ev.signal.data == nil)
end)
chert.on("signal:text", function(ev)
  assert(ev.signal.data == "ticket 4711")
end)

-- What no event has is an error.
chert.on("message.received", function(ev)
  return ev.chat.ID --> "ev.chat has no field .ID.\ndid you mean ev.chat.id\?"
end)
chert.on("message.received", function(ev)
  return ev.chat_id --> "ev has no field .chat_id.\ndid you mean ev.chat.id\?"
end)
chert.on("message.received", function(ev)
  return ev.txt --> "did you mean ev.text\?"
end)
chert.on("message.received", function(ev)
  return ev.body --> "did you mean ev.text\?"
end)
chert.on("message.received", function(ev)
  return ev.is_group --> "did you mean ev.chat.is_group\?"
end)
chert.on("message.received", function(ev)
  return ev.data --> "did you mean ev.raw.data\?"
end)
chert.on("message.received", function(ev)
  return ev.wibble --> "ev has id, type, at"
end)
chert.on("message.received", function(ev)
  return ev.message.parts[1].valu --> "ev.message.parts\[1\] has no field .valu.\ndid you mean value\?"
end)
chert.on("message.received", function(ev)
  return ev.message.parts.value --> "ev.message.parts is a list: it has no field .value.\ntake an element: ev.message.parts\[1\]"
end)
chert.on("message.received", function(ev)
  return ev[1] --> "ev is not a list: it has no \[1\]"
end)
chert.on("action.failed", function(ev)
  return ev.action.trace --> "ev.action has no field .trace.\nev.action has kind"
end)

chert.on("signal:human_replied", function(ev)
  return ev.signal.agent --> "ev.signal has no field .agent.\nev.signal has name, data"
end)

-- It can't be changed.
chert.on("message.received", function(ev)
  ev.text = "x" --> "ev can't be changed\nto store something for this chat, use ev.state"
end)
chert.on("message.received", function(ev)
  ev.chat.id = "x" --> "ev.chat can't be changed"
end)
chert.on("signal:human_replied", function(ev)
  ev.signal.name = "x" --> "ev.signal can't be changed"
end)
chert.on("message.received", function(ev)
  ev.message.parts[1] = nil --> "ev.message.parts can't be changed"
end)
chert.on("message.received", function(ev)
  table.insert(ev.message.parts, 1) --> "table expected"
end)
