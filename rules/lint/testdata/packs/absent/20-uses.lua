-- An error where the value is a condition by name: without it the rule would run for
-- everybody. Elsewhere a key may be optional.
local on = "message.received"
local lists = data.load("lists")

local function keep(ev)
  chert.keep_unread(ev.chat.id)
end

-- Rows: a key that none of them has now.
for _, row in ipairs(lists.rows) do
  chert.on(on, { text = "x", from = row.phone, words = row.nicknames }, keep) --> "60: warning: each item of data.load\(.lists.\).rows has no .nicknames.: .* \[CH018\]\nit has note, phone; if it may be missing, check it first: .if row.nicknames then."
end
chert.on(on, { text = "x" }, function(ev)
  for _, row in ipairs(lists.rows) do
    if row.level == "gold" then --> "12: warning: each item of data.load\(.lists.\).rows has no .level.: .*never equal.*\n.*write .\(row.level or nil\)."
      chert.keep_unread(ev.chat.id, { reason = row.why }) --> "52: warning: each item of"
    end
    if (row.tone or nil) == "silver" and lists.rows[1].tier == "x" then --> "56: warning: data.load\(.lists.\).rows\[1\] has no .tier."
      chert.keep_unread(ev.chat.id)
    end
  end
end)

-- A column that is spelled otherwise is not optional.
for _, row in ipairs(data.load("rows")) do
  chert.on(on, { text = "x", from = row.phone }, keep) --> "41: error: each item of data.load\(.rows.\) has no .phone.: .*\ndid you mean Phone"
  if row["name"] == "Ann" then --> "10: error: each item of data.load\(.rows.\) has no .name.: .*\ndid you mean Name"
    log.info("it is", { row = row.missing }) --> "35: warning: each item of"
  end
end

-- However the condition gets there.
local where = { text = "x" }
where.from = lists.vip1 --> "20: error: data.load\(.lists.\) has no .vip1."
chert.rule({ name = "a", on = on, where = where, run = keep })
local rule = { name = "b", on = on, where = { text = "x", from = lists.vip2 }, run = keep } --> "72: error: data.load\(.lists.\) has no .vip2."
rule.during = lists.hours.night --> "27: error: data.load\(.lists.\).hours has no .night."
rule.cooldown = lists.rest --> "23: warning: data.load\(.lists.\) has no .rest."
chert.rule(rule)
chert.rule({ name = "c", on = on, where = lists.rule, run = keep }) --> "49: error: data.load\(.lists.\) has no .rule."
chert.on(on, lists.where, keep) --> "20: error: data.load\(.lists.\) has no .where."
local mod = require("lists")
chert.on(on, { text = "x", from = mod.spam }, keep) --> "35: error: data.load\(.lists.\) has no .spam.: .*\n.*check it first: .if mod.spam then."
chert.on(on, { text = "x", from = require("raw").vip }, keep) --> "50: error: data.load\(.lists.\) has no .vip."
local raw = require("raw")
chert.on(on, { text = "x", from = raw.spam or nil, words = raw.wordz }, keep) --> "64: error: data.load\(.lists.\) has no .wordz."
RAW = data.load("lists")
chert.on(on, { text = "x", from = RAW.vip }, keep) --> "39: error: data.load\(.lists.\) has no .vip."

-- Optional values of calls and of the pack's own functions.
local function note(text)
  log.info("it is", { text = text })
end
note(lists.text) --> "12: warning: data.load\(.lists.\) has no .text."
note(lists.text2 or nil)
