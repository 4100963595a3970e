local lists = data.load("lists")
local name = "vip"
local vip = lists[name] --> "19: error: data.load\(.lists.\) has no .vip.: .* \[CH018\]\ndid you mean vips\?"
local on = "message.received"

local function keep(ev)
  chert.keep_unread(ev.chat.id)
end

local function watch(from)
  chert.on(on, { text = "x", from = from }, keep)
end

chert.on(on, { text = "x", from = vip }, keep)
chert.on(on, { text = "x", from = vip }, keep) -- one place, told once
chert.on(on, { text = "x", from = data.load("lists").vip }, keep) --> "54: error: data.load\(.lists.\) has no .vip."
chert.on(on, { text = "x", except = { from = lists.vpis } }, keep) --> "52: error: .*\ndid you mean vips"
chert.on(on, { text = "x", from = { "+14155550101", lists.people.ann.fone } }, keep) --> "70: warning: data.load\(.lists.\).people.ann has no .fone."
chert.on(on, { text = "x", from = lists.vips.phone }, keep) --> "46: error: data.load\(.lists.\).vips has no .phone.: .*\nit is a list"
chert.on(on, { text = "x", from = lists.vips[2] }, keep) --> "46: error: data.load\(.lists.\).vips has no \[2\]"
chert.on(on, { text = "x", from = config.vips.number }, keep) --> "47: error: config.vips has no .number.: .* \[CH012\]\ndid you mean numbers"
watch(lists.vip) --> "13: error: data.load\(.lists.\) has no .vip."

for _, row in ipairs(data.load("rows")) do
  chert.on(on, { text = row.Name, from = row.phone }, keep) --> "46: warning: each item of data.load\(.rows.\) has no .phone.: .*\ndid you mean Phone"
end
local rows = data.load("rows")
for i = 1, #rows do
  local row = rows[i]
  chert.on(on, { text = row.Name, from = row.fone }, keep) --> "46: warning: each item of data.load\(.rows.\) has no .fone.: .*\nit has Name, Phone; if it may be missing, check it first: .if row.fone then."
  chert.on(on, { text = rows[i].Name, from = rows[i].Phone }, keep)
end
for _, person in pairs(lists.people) do
  chert.on(on, { text = "x", from = person.nubmer }, keep) --> "44: warning: each item of data.load\(.lists.\).people has no .nubmer."
end

chert.on(on, function(ev)
  for _, row in ipairs(data.load("rows")) do
    if row.phone == ev.from then --> "12: warning: each item of data.load\(.rows.\) has no .phone.: .* \[CH018\]\ndid you mean Phone"
      chert.keep_unread(ev.chat.id)
    end
    if row.Phone == ev.from and lists.mode ~= nil and lists.mode == "x" then
      chert.keep_unread(ev.chat.id)
    end
  end
end)

chert.rule({
  name = "office",
  on = on,
  where = { text = "x" },
  during = lists.hours.ofice, --> "24: error: data.load\(.lists.\).hours has no .ofice.: .*\ndid you mean office"
  run = function(ev)
    chert.mark_read(ev.chat.id, { after = lists.delay }) --> "49: warning: data.load\(.lists.\) has no .delay."
    ev.state.hours = lists.hour --> "28: warning: data.load\(.lists.\) has no .hour."
  end,
})

-- What may be missing, and says so, or is looked at, or is there.
local extra = lists.extra or {}
local more = lists.more
if more then
  chert.on(on, { text = "x", from = more }, keep)
end
for _, row in ipairs(lists.rows) do
  chert.on(on, { text = "x", from = row.phone, words = row.note }, keep)
end
chert.on(on, { text = "x", from = lists.others or nil, is_group = lists.off }, function(ev)
  if lists.vip == nil and not extra.x and not require("lists").other then
    chert.keep_unread(ev.chat.id, { reason = data.load("numbers")[ev.from] and "vip" })
  end
  log.info("it is", { known = data.load("numbers")[ev.from] })
end)

-- Tables that the pack makes.
local own = { vips = { "+14155550100" }, quiet = "10m" }
own.late = "x"
local mod = require("lists")
local open = { a = 1 }
rawset(open, "b", "x")
chert.on(on, { text = "x", from = own.vip }, keep) --> "39: warning: own has no .vip.: it is nil here, .* \[CH011\]\ndid you mean vips"
chert.on(on, { text = "x", from = mod.vip }, keep) --> "39: warning: mod has no .vip.: .* \[CH011\]\ndid you mean vips"
chert.on(on, { text = own.late, from = own.vips, words = open.b, sender = own.none or nil }, keep)
for _, list in pairs(own) do
  log.info("a list", { list = list })
end
