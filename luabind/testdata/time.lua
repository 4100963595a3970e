chert.on("message.received", function(ev)
  assert(chert.now() == 1767614400)
  assert(chert.within("Mon-Fri 09:00-17:30") == true)
  assert(chert.within("Mon-Fri 09:00-17:30", "Asia/Tokyo") == false)
  assert(chert.date("%Y-%m-%d %H:%M:%S") == "2026-01-05 12:00:00")
  assert(chert.date("%a %d %b, %j, week %V", 1767614400, "America/New_York") == "Mon 05 Jan, 005, week 02")
  assert(chert.date("%H:%M %Z", chert.now(), "America/New_York") == "07:00 EST")
  assert(chert.normalize("Your “CODE”\226\128\139  is") == 'your "code" is', chert.normalize("Your “CODE”\226\128\139  is"))
end)
chert.on("message.received", function(ev)
  chert.within("Mon-Fri 09:00") --> "09:00 is a moment, not a span"
end)
chert.on("message.received", function(ev)
  chert.within("Mon-Fri") chert.within("Man-Fri") --> "unknown day .Man.: did you mean"
end)
chert.on("message.received", function(ev)
  chert.date("%Q") --> "unknown conversion .%Q."
end)
chert.on("message.received", function(ev)
  chert.date("!%H") --> "is for os.date only"
end)
chert.on("message.received", function(ev)
  chert.date("%H", 1767614400000) --> "out of range: it is in Unix seconds"
end)

-- config
chert.on("message.received", function(ev)
  assert(config.min_digits == 6 and config.names[2] == "b" and #config.names == 2 and config.hours.open == "09:00")
  assert(config.hours.close == nil)
  local names = {}
  for k, v in pairs(config) do
    names[#names + 1] = k
  end
  assert(table.concat(names, " ") == "hours min_digits names")
  assert(table.concat(config.names, ",") == "a,b")
  assert(config.names == config.names)
end)
chert.on("message.received", function(ev)
  return config.min_digit --> "config has no setting .min_digit.\ndid you mean config.min_digits\?"
end)
chert.on("message.received", function(ev)
  return config.colour --> "config has no setting .colour.\ndeclare it with its default in pack.yaml"
end)
chert.on("message.received", function(ev)
  config.min_digits = 7 --> "config can't be changed"
end)
chert.on("message.received", function(ev)
  config.hours.open = "10:00" --> "config.hours can't be changed"
end)

-- data
local vips = data.load("vips")
chert.on("message.received", function(ev)
  assert(#vips == 2 and vips[1].phone == "+1415" and vips[2].phone == nil and vips[3] == nil)
  assert(vips == data.load("vips"))
  for i, v in ipairs(vips) do
    assert(v.name == ({ "Ann", "Bob" })[i])
  end
  local words = data.load("words")
  assert(words.code and words["otp"] and not words.other and not words[nil])
  assert(json.encode(words) == '{"code":true,"otp":true}')
end)
chert.on("message.received", function(ev)
  data.load("vip") --> "data.load: no file .vip. in data/"
end)
chert.on("message.received", function(ev)
  vips[1].name = "x" --> "data.vips\[1\] can't be changed\ncopy it into a table of your own"
end)
chert.on("message.received", function(ev)
  local m = data.load("mixed")
  local names = {}
  for k, v in pairs(m) do
    names[#names + 1] = k
  end
  assert(table.concat(names) == "bcd" and m.a == nil and m.c == 7 and next(m.d) == nil)
  local seen = {}
  for i, v in pairs(m.b) do
    seen[i] = v
  end
  assert(#seen == 2 and seen[1][2] == true and seen[1] == m.b[1] and next(m, "c") == "d" and next(m, "d") == nil)
  local x, y = unpack(m.b[1])
  assert(x == 1 and y == true and m.b[3] == nil and m.b.x == nil and m[1] == nil)
  assert(json.encode(m) == '{"b":[[1,true],"x"],"c":7,"d":{}}', json.encode(m))
end)
chert.on("message.received", function(ev)
  next(data.load("mixed"), "zzz") --> "data.mixed: next was given a key that is not there"
end)
chert.on("message.received", function(ev)
  next(data.load("mixed").b, 9) --> "data.mixed.b: next was given a key that is not there"
end)
chert.on("message.received", function(ev)
  return data.load("wrong").a[1] --> "data.wrong.a\[1\] is of Go type struct"
end)
chert.on("message.received", function(ev)
  chert.date("%H", "now") --> "chert.date: time must be a number of Unix seconds, got the string .now."
end)
