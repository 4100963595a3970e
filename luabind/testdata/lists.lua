local vips = chert.list("vips")
chert.on("message.received", function(ev)
  assert(vips[ev.from] == true and vips["+14155550100"] == nil and vips[nil] == nil)
  assert(chert.list("vips") == chert.list("vips") and tostring(vips) == 'chert.list("vips")')
  assert(chert.list("vips")[("x"):rep(513)] == nil)
end)
chert.on("message.received", function(ev)
  chert.list("vip") --> "chert.list: no list is named \"vip\""
end)
chert.on("message.received", function(ev)
  return #vips --> "chert.list\(\"vips\"\) has no length and can't be walked through\nlook up one value: chert.list\(\"vips\"\)\[ev.from\]"
end)
chert.on("message.received", function(ev)
  for k in pairs(vips) do --> "can't be walked through"
  end
end)
chert.on("message.received", function(ev)
  for k in ipairs(vips) do --> "can't be walked through"
  end
end)
chert.on("message.received", function(ev)
  return next(vips) --> "can't be walked through"
end)
chert.on("message.received", function(ev)
  return unpack(vips) --> "can't be walked through"
end)
chert.on("message.received", function(ev)
  return json.encode(vips) --> "can't be walked through"
end)
chert.on("message.received", function(ev)
  kv.set("k", vips) --> "can't be walked through"
end)
chert.on("message.received", function(ev)
  vips["+14155550100"] = true --> "chert.list\(\"vips\"\) can't be changed\noperators change it: chertd list"
end)
chert.on("message.received", function(ev)
  return vips[ev.chat] --> "a member is a string, got ev.chat\npass ev.chat.id"
end)
chert.on("message.received", function(ev)
  return vips[4155551234] --> "a member is a string, got the number 4155551234"
end)
chert.on("message.received", function(ev)
  chert.list() --> "chert.list: name is missing: expected a string"
end)
-----
local known = chert.list("vips")["+14155551234"] --> "chert.list\(\"vips\"\) can't be read while the file loads: the list changes later\nuse it in a handler, or as a value of where: \{ from = chert.list\(\"vips\"\) \}"
-----
print(#chert.list("vips")) --> "can't be walked through"
