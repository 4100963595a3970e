describe("receive", function()
  it("takes a table, or a text", function()
    receive({ chat = "c1", text = "now" })
    assert.is_read("c1")
    receive("nothing")
    assert.is_unread()
  end)

  it("fills in what is not said", function()
    receive({ text = "x" })
    assert.same({ n = 1, from = "+15550001111" }, state("c1"))
  end)

  it("knows senders, lines, groups and media", function()
    receive({ chat = "g", from = "+1 (555) 222-3333", line = "+15554445555", is_group = true, media = true, handles = { "+15552223333" } })
    receive({ chat = "g", media = 2, text = "two" })
    receive({ chat = "g", media = "image/png" })
    receive({ chat = "g", media = { "image/png", "video/mp4" } })
    assert.equal(4, state("g").n)
  end)

  it("does not count what we sent ourselves", function()
    receive({ chat = "c1", text = "now" })
    receive({ chat = "c1", text = "now", direction = "outbound" })
    assert.is_read("c1")
    assert.called("read", 1)
  end)

  it("handles an id once", function()
    receive({ chat = "c1", text = "hi", id = "e1" })
    receive({ chat = "c1", text = "hi", id = "e1" })
    assert.equal(1, state("c1").n)
  end)

  it("knows its fields", function()
    receive({ chatt = "c1" }) --> "receive: unknown field \"chatt\"\nhint: did you mean chat\?"
  end)

  it("knows what people call its fields", function()
    receive({ sender = "+1" }) --> "unknown field \"sender\"\nhint: did you mean from\?"
  end)

  it("wants text to be a string", function()
    receive({ text = 5 }) --> "receive: text must be a string, got the number 5"
  end)

  it("wants a table", function()
    receive(5) --> "receive: expected a table of named values, got the number 5"
  end)

  it("wants a direction that exists", function()
    receive({ direction = "in" }) --> "direction must be .inbound. or .outbound., got .in."
  end)

  it("tells how old an event is", function()
    receive({ chat = "c1", text = "how old", age = "2h" })
    assert.logged("7200 seconds")
    receive({ chat = "c1", text = "how old", age = 90 })
    assert.logged("90 seconds")
    receive({ chat = "c1", text = "how old", at = now() + 3600 })
    assert.logged("0 seconds")
    receive({ chat = "c1", text = "how old", age = "25h" })
    assert.logged("90000 seconds")
    receive({ chat = "c1", text = "how old" })
    assert.is_unread("c1")
  end)

  it("leaves alone what is too old", function()
    receive({ chat = "c1", text = "lately", age = "61m" })
    assert.is_unread("c1")
    receive({ chat = "c1", text = "lately", age = "1h" })
    assert.is_read("c1")
  end)

  it("refuses an age beside a time", function()
    receive({ at = now(), age = "2h" }) --> "receive: age and at exclude each other\nhint: keep one of them"
  end)

  it("refuses what is no age", function()
    receive({ age = "2 hours" }) --> "receive: age: duration .2 hours. is not understood"
  end)

  it("refuses an age that is no duration", function()
    receive({ age = true }) --> "receive: age: expected a duration\nhint: age = .2h."
  end)

  it("wants times that are times", function()
    receive({ at = 0 / 0 }) --> "receive: at .at: not a finite number"
  end)

  it("wants no more media than a message has", function()
    receive({ media = 1e9 }) --> "media must be a number from 0 to 100"
  end)

  it("wants what JSON can write", function()
    fire("timer:check", { chat = "c1", payload = { 0 / 0 } }) --> "fire: at .payload.1.: not a finite number"
  end)

  it("takes an event without a chat", function()
    receive({ chat = false, text = "now" })
    assert.was_not_called()
    assert.is_read() --> "is_read: which chat\? no event has named one yet"
  end)

  it("refuses an id that a webhook would not", function()
    receive({ chat = "a\1b" }) --> "such an event would be quarantined: .*control characters"
  end)
end)

describe("advance", function()
  it("takes durations", function()
    receive("later")
    advance(29)
    assert.is_unread()
    advance("1s")
    assert.is_read()
  end)

  it("lets timers come due in their order", function()
    receive("timer later")
    advance("5m")
    assert.logged("checked 7", "info")
    assert.called("read", 1)
  end)

  it("runs schedules", function()
    advance("3h")
    assert.logged("an hour passed")
    clock("2026-01-06 09:00")
    assert.called({ kind = "read", chat = "c1", times = 1 })
  end)

  it("wants a duration", function()
    advance({}) --> "advance: expected a duration, got a table\nhint: advance\(.30s.\)"
  end)

  it("wants one that is understood", function()
    advance("soon") --> "advance: duration .soon. is not understood"
  end)

  it("does not go back", function()
    advance(-1) --> "advance: duration -1 is negative"
  end)
end)

describe("clock", function()
  it("begins the world", function()
    clock("2026-07-01 08:59")
    assert.equal(1782896340, now())
    receive("office")
    assert.is_unread()
    advance("1m")
    receive("office")
    assert.is_read()
  end)

  it("takes a time zone", function()
    clock("2026-01-05 09:00", "America/New_York")
    assert.equal(1767621600, now())
  end)

  it("lets the time until then pass", function()
    receive("later")
    clock("2026-01-05 12:01")
    assert.is_read()
  end)

  it("begins on a Monday at noon", function()
    assert.equal(1767614400, now())
  end)

  it("does not go back", function()
    receive("x")
    clock("2026-01-05 09:00") --> "clock: it is 12:00:00 already, and time does not go back\nhint: to begin earlier"
  end)

  it("lasts as long as it says where the clock changes", function()
    clock("2026-03-07 12:00", "America/New_York")
    receive({ chat = "c1", text = "a day" })
    clock("2026-03-08 12:59", "America/New_York")
    assert.is_held("c1")
    assert.is_unread("c1")
    clock("2026-03-08 13:00", "America/New_York")
    assert.logged("the timer of a day")
    receive({ chat = "c1", text = "now" })
    assert.is_read("c1")
  end)

  it("knows the first of two showings", function()
    clock("2026-11-01 01:30", "America/New_York")
    assert.equal(1793511000, now())
    clock("2026-11-01 02:00:30", "America/New_York")
    assert.equal(1793516430, now())
  end)

  it("knows a time that is skipped", function()
    clock("2026-03-08 02:30", "America/New_York") --> "clock: in America/New_York the clock is put forward over 2026-03-08 02:30: it continues at 2026-03-08 03:00"
  end)

  it("wants a time", function()
    clock("9 o'clock") --> "clock: .9 o'clock. is not a time\nhint: clock\("
  end)

  it("wants a zone that exists", function()
    clock("2026-01-05 09:00", "Mars") --> "clock: .*Mars"
  end)
end)

describe("fire", function()
  it("sends an event of any type", function()
    receive("hello")
    fire("reaction.added", { chat = "c1", data = { reaction = "love" } })
    assert.logged("reaction love")
  end)

  it("fires a timer that waits, early", function()
    receive("timer")
    fire("timer:check")
    assert.logged("checked 7")
    advance("10m")
    assert.called("read", 1)
  end)

  it("fires a timer that was never set", function()
    receive("hello")
    fire("timer:check", { chat = "c1", payload = { n = 3 } })
    assert.logged("checked 3")
  end)

  it("runs a schedule", function()
    fire("schedule", { name = "hourly" })
    assert.logged("an hour passed")
  end)

  it("tells of a call that failed", function()
    receive("hello")
    fire("action.failed", { chat = "c1", kind = "send", code = 2002 })
    assert.logged("could not send: 2002 after 1", "warn")
  end)

  it("wants to know which schedule", function()
    fire("schedule") --> "fire: which schedule\? the pack has .hourly., .mornings.\nhint"
  end)

  it("wants a type", function()
    fire() --> "fire: the type must be a string, got nil"
  end)

  it("wants a chat for a timer", function()
    fire("timer:check") --> "fire: chat is missing"
  end)
end)

describe("configure", function()
  before_each(function()
    configure({ wait = "2m" })
  end)

  it("sets settings for one it", function()
    receive("later")
    advance("119s")
    assert.is_unread()
    advance("1s")
    assert.is_read()
  end)

  it("adds to what was set before", function()
    configure({ words = { "someday" } })
    receive("someday")
    advance("2m")
    assert.is_read()
  end)

  it("knows the settings", function()
    configure({ wiat = "1m" }) --> "configure: pack .words. has no setting .wiat.\nhint: did you mean .wait.\?"
  end)

  it("knows their types", function()
    configure({ lead = "one" }) --> "configure: setting lead: expected a number, as its default 1, got the string .one."
  end)

  it("comes before anything happens", function()
    receive("x")
    configure({ wait = "1m" }) --> "configure: the pack runs already; .*\nhint: write it first, or in before_each"
  end)

  it("says what does not load with it", function()
    configure({ wait = "soon" })
    receive("later")
    assert.failed("duration \"soon\" is not understood")
    configure() --> "configure: the pack runs already"
  end)
end)

describe("configure, elsewhere", function()
  it("is forgotten", function()
    receive("later")
    advance("30s")
    assert.is_read()
  end)
end)

describe("fail_next", function()
  it("fails one call, which is made again", function()
    fail_next(4001)
    receive("now")
    assert.is_unread()
    advance("1s")
    assert.is_read()
    assert.called("read", 2)
    assert.called({ code = 4001, times = 1 })
  end)

  it("waits longer each time", function()
    fail_next(3001, 3)
    receive("now")
    advance("6s")
    assert.is_unread()
    advance("1s")
    assert.is_read()
  end)

  it("heeds retry_after, for all chats after 1007", function()
    fail_next(1007)
    receive({ chat = "c1", text = "now" })
    receive({ chat = "c2", text = "now" })
    assert.is_unread("c2")
    advance("2s")
    assert.is_read("c1")
    assert.is_read("c2")
  end)

  it("heeds retry_after, for one chat after 4002", function()
    fail_next(4002)
    receive({ chat = "c1", text = "now" })
    receive({ chat = "c2", text = "now" })
    assert.is_read("c2")
    assert.is_unread("c1")
    advance("5s")
    assert.is_read("c1")
  end)

  it("gives up where Chert says so", function()
    fail_next(2002)
    receive("now")
    advance("12h")
    assert.is_unread()
    assert.called("read", 1)
    assert.logged("could not read: 2002 after 1")
  end)

  it("can let an answer be lost", function()
    fail_next("timeout")
    receive("answer")
    assert.called({ kind = "typing", times = 1 })
  end)

  it("knows the codes", function()
    fail_next(5000) --> "fail_next: Chert has no error code 5000\nhint: it is one of 1001, "
  end)

  it("wants a code", function()
    fail_next() --> "fail_next: expected a code of Chert's, got nil"
  end)
end)

describe("state", function()
  it("is a copy", function()
    receive("x")
    state("c1").n = 100
    receive("x")
    assert.equal(2, state("c1").n)
  end)

  it("is empty where nothing is kept", function()
    receive({ type = "reaction.added", chat = "c1" })
    assert.same({}, state("c1"))
  end)

  it("wants a chat that there is", function()
    receive({ chat = "c1" })
    state("c2") --> "state: no event and no rule has named the chat .c2.\nhint: there is c1"
  end)
end)

describe("signal", function()
  it("runs the rules on it, with its data and what the chat is known to be", function()
    receive({ chat = "c1", text = "hello", is_group = true, line = "+15550009998" })
    assert.is_unread("c1")
    signal("human_replied", { chat = "c1", data = { agent = "Ann" } })
    assert.logged("signalled", { agent = "Ann", group = true, line = "+15550009998" })
    assert.is_read("c1")
  end)

  it("is about the last chat, and needs no data", function()
    receive({ chat = "c7", text = "hello" })
    signal("human_replied")
    assert.equal(1, state("c7").signals)
  end)

  it("makes no chat unread, and no read superseded", function()
    receive({ chat = "c1", text = "later" })
    signal("human_replied", { chat = "c1" })
    assert.is_read("c1")
    signal("human_replied", { chat = "c1" })
    assert.is_read("c1")
    assert.called("read", 1)
  end)

  it("counts once by its id", function()
    receive("hello")
    signal("human_replied", { id = "r1" })
    signal("human_replied", { id = "r1" })
    signal("human_replied", { id = "r2" })
    assert.equal(2, state("c1").signals)
  end)

  it("needs a name", function()
    signal() --> "signal: the name must be a string, got nil"
  end)

  it("needs a chat", function()
    signal("human_replied") --> "signal: chat is missing"
  end)

  it("takes only data that fits", function()
    receive("hello")
    signal("human_replied", { data = ("x"):rep(40000) }) --> "signal: chertd would refuse it: data: larger than 32 KiB"
  end)

  it("is nothing that Chert sends", function()
    receive({ type = "signal:human_replied" }) --> "receive: Chert sends no signals\nhint: signal\(.human_replied."
  end)

  it("is not fired", function()
    receive("hello")
    fire("signal:human_replied") --> "fire: Chert sends no signals\nhint: signal\(.human_replied."
  end)
end)
