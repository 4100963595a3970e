local phones = require("phones")
local util = require("phnes") --> "22: error: there is no module .phnes. \[CH018\].did you mean phones"
local vips = data.load("vips")
local later = data.load("vip") --> "error: there is no data .vip. \[CH018\].did you mean vips"
chert.rule({
  name = "n",
  on = "message.received",
  run = function(ev)
    if phones.same(ev.from, vips[1]) and util and later and shared(ev) then
      chert.typing(ev.chat.id, "typing")
      chert.typing(ev.chat.id, "typeing") --> "error: chert.typing: state must be .typing., .stopped., got the string .typeing. \[CH013\].did you mean .typing"
    end
    phones.note(ev)
    chert.mark_read(ev.chat.id, { after = config.wait })
    chert.mark_read(ev.chat.id, { after = config.wiat }) --> "50: error: config has no setting .wiat. \[CH012\].did you mean config.wait"
    chert.mark_read(ev.chat.id, { reason = config.most }) --> "reason must be a string, got a number \[CH013\]"
  end,
})
