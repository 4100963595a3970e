chert.on("message.received", function(ev)
  ev.state.count = (ev.state.count or 0) + 1
  assert(ev.state.count == 1)
end)
chert.on("message.received", function(ev)
  kv.set("a", { 1, 2 })
  assert(#kv.get("a") == 2 and kv.get("b") == nil)
  kv.set("a", nil)
  assert(kv.get("a") == nil)
  assert(kv.incr("n") == 1 and kv.incr("n", 5) == 6 and kv.incr("n", -0.5, { ttl = "1h" }) == 5.5)
  kv.set("p:1", "x", { ttl = 60 })
  kv.set("p:2", false)
  local list = kv.list("p:")
  assert(#list == 2 and list[1].key == "p:1" and list[1].value == "x" and list[2].value == false)
  assert(#kv.list("p:", 1) == 1 and #kv.list("") == 3)
  kv.delete("p:1")
  assert(#kv.list("p:") == 1)
end)
chert.on("message.received", function(ev)
  ev.state = 5 --> "ev.state must be a table, got the number 5"
end)
chert.on("schedule", function(ev)
  ev.state = {} --> "ev.state: this event has no chat\nstore it in kv"
end)
chert.on("message.received", function(ev)
  kv.get() --> "kv.get: key is missing: expected a string"
end)
chert.on("message.received", function(ev)
  kv.get("") --> "kv.get: key is empty"
end)
chert.on("message.received", function(ev)
  kv.set("a") --> "kv.set: value is missing\nto delete the key, write kv.delete\(key\)"
end)
chert.on("message.received", function(ev)
  kv.set("a", ev.chat.handles[1].is_me, { tll = 5 }) --> "unknown key .tll.\ndid you mean ttl\?"
end)
chert.on("message.received", function(ev)
  kv.set("a", 1, { ttl = 0 }) --> "ttl must be greater than 0"
end)
chert.on("message.received", function(ev)
  kv.set("a", print) --> "the value of .a. can't be stored: a function can't be written as JSON"
end)
chert.on("message.received", function(ev)
  kv.set("a", ("x"):rep(1048575)) --> "too large: 1048577 bytes as JSON, at most 1048576"
end)
chert.on("message.received", function(ev)
  kv.set("s", "x")
  kv.incr("s") --> "kv.incr: .s. holds the string .x., not a number"
end)
chert.on("message.received", function(ev)
  kv.incr("n", "1") --> "kv.incr: n must be a number"
end)
chert.on("message.received", function(ev)
  kv.list() --> "kv.list: prefix is missing"
end)
chert.on("message.received", function(ev)
  kv.list("", 5000) --> "limit must be a whole number from 1 to 1000"
end)
