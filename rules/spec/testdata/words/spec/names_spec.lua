-- Names that nothing has named are typos, in assertions and in fire.
describe("a name", function()
  before_each(function()
    receive({ chat = "chat-1", text = "answer", message_id = "msg-one" })
  end)

  for _, what in ipairs({ "read", "unread", "held", "kept_unread" }) do
    it("of a chat, in " .. what, function()
      local ok, message = pcall(assert["is_" .. what], "chat-2")
      assert.is_false(ok)
      assert.matches("no event and no rule has named the chat", tostring(message))
      ok, message = pcall(assert["is_not_" .. what], "chat-2")
      assert.is_false(ok)
      assert.matches("no event and no rule has named the chat", tostring(message))
    end)
  end

  it("of a chat, in called", function()
    assert.was_not_called("read", "caht-1") --> "called: no event and no rule has named the chat .caht-1.\nhint: did you mean .chat-1.\?"
  end)

  it("of a chat, in called with fields", function()
    assert.was_not_called({ kind = "read", chat = "c2" }) --> "called: no event and no rule has named the chat .c2.\nhint: there is chat-1"
  end)

  it("of a chat that is no string", function()
    assert.was_not_called({ kind = "read", chat = 1 }) --> "called: chat must be a string"
  end)

  it("of a number that is none", function()
    assert.called({ kind = "read", times = "1" }) --> "called: times must be a number"
  end)

  it("of a message, in called", function()
    assert.was_not_called({ kind = "react", message = "msg-on" }) --> "no rule has named the message .msg-on.\nhint: did you mean .msg-one.\?"
  end)

  it("of a chat, in state", function()
    state("caht-1") --> "state: no event and no rule has named the chat .caht-1.\nhint: did you mean .chat-1.\?"
  end)

  it("of a chat, in the data of fire", function()
    fire("reaction.added", { data = { chat = { id = "chat-l" } } }) --> "fire: no event and no rule has named the chat .chat-l.\nhint: did you mean .chat-1.\?"
  end)

  it("of a message, in the data of fire", function()
    fire("reaction.added", { chat = "chat-1", data = { message = { id = "msg-onee" } } }) --> "no rule has named the message .msg-onee.\nhint: did you mean .msg-one.\?"
  end)

  it("of a chat, in fire", function()
    fire("reaction.added", { chat = "chat-l" }) --> "fire: no event and no rule has named the chat .chat-l.\nhint: did you mean .chat-1.\?"
  end)

  it("of a chat, in fire of a timer", function()
    fire("timer:check", { chat = "c2" }) --> "fire: no event and no rule has named the chat .c2.\nhint: there is chat-1"
  end)

  it("of a chat, in fire of an answer", function()
    fire("action.failed", { chat = "c2" }) --> "fire: no event and no rule has named the chat .c2."
  end)

  it("of a chat, in signal", function()
    signal("human_replied", { chat = "chat-l" }) --> "signal: no event and no rule has named the chat .chat-l.\nhint: did you mean .chat-1.\?"
  end)

  it("of a signal", function()
    signal("human_replyed", { chat = "chat-1" }) --> "signal: no rule subscribes to the signal .human_replyed.\nhint: did you mean .human_replied.\?"
  end)

  it("of a field of a signal", function()
    signal("human_replied", { chat = "chat-1", date = 7 }) --> "signal has no field .date.|did you mean data"
  end)

  it("of a kind of call, in fire", function()
    fire("action.failed", { chat = "chat-1", kind = "sned" }) --> "fire: there are no calls of kind .sned.\nhint: it is read, typing"
  end)

  it("of a code, in fire", function()
    fire("action.failed", { chat = "chat-1", code = 2020 }) --> "fire: Chert has no error code 2020\nhint: it is one of 1001, "
  end)

  it("of a message, in fire", function()
    fire("reaction.added", { chat = "chat-1", message_id = "msg-onee" }) --> "no rule has named the message .msg-onee.\nhint: did you mean .msg-one.\?"
  end)

  it("of a type, in fire", function()
    fire("mesage.received", { chat = "chat-1" }) --> "fire: Chert sends no event of type .mesage.received.*\nhint: did you mean .message.received.\?"
  end)

  it("of a type like no other", function()
    fire("call.started", { chat = "chat-1" }) --> "fire: Chert sends no event of type .call.started., and no rule subscribes to it\nhint: there is .*lead_reply"
  end)

  it("of a type, in receive", function()
    receive({ type = "reaction.aded" }) --> "receive: Chert sends no event of type .reaction.aded.*\nhint: did you mean .reaction.added.\?"
  end)

  it("of a type that is no string", function()
    receive({ type = 1 }) --> "receive: type must be a string"
  end)

  it("of a type that was received", function()
    receive({ type = "call.started", chat = "chat-1" })
    fire("call.started", { chat = "chat-1" })
    assert.not_failed()
  end)

  it("of a timer", function()
    fire("timer:chek", { chat = "chat-1" }) --> "fire: no rule handles the timer .chek., and none has set it\nhint: did you mean .check.\?"
  end)

  it("of a schedule", function()
    fire("schedule", { name = "hourli" }) --> "fire: no rule of chert.every is named .hourli.\nhint: did you mean .hourly.\?"
  end)

  it("of a chat that a rule named", function()
    receive({ chat = "chat-1", text = "other" })
    assert.called("read", "c9", 1)
  end)

  it("of a message that a rule reacts to", function()
    assert.called({ kind = "react", message = "msg-one" })
  end)
end)

describe("Lua's own words behind a dot", function()
  it("have a capital", function()
    assert.is.True(true)
    assert.is.False(false)
    assert.is.Nil(nil)
    assert.is_not.Nil(1)
    assert.is.Function(print)
    assert.True(1 == 1)
  end)
end)

describe("the operator", function()
  it("holds a chat that no event has named", function()
    operator.hold("c5", "2h", { reason = "mine" })
    assert.is_held("c5")
    receive({ chat = "c5", text = "now" })
    assert.is_unread("c5")
    advance("2h")
    assert.is_not_held("c5")
    receive({ chat = "c5", text = "now" })
    assert.is_read("c5")
  end)

  it("holds for a day, or until a release", function()
    receive("hello")
    operator.hold("c1")
    advance("23h")
    assert.is_held("c1")
    advance("1h")
    assert.is_not_held("c1")
    operator.hold("c1", "300d")
    advance("200d")
    operator.release("c1")
    assert.is_not_held("c1")
  end)

  it("holds for some time", function()
    operator.hold("c1", 0) --> "operator.hold: duration must be greater than 0\nhint: operator.release"
  end)

  it("ends the hold of a rule", function()
    receive("hold")
    operator.release()
    receive("now")
    assert.is_read("c1")
  end)

  it("drops what waits", function()
    receive("later")
    operator.hold("c1", "1m")
    operator.release("c1")
    advance("1h")
    assert.was_not_called("read", "c1")
  end)

  it("reads a chat", function()
    receive("hello")
    operator.read("c1")
    assert.is_read("c1")
    assert.called("read", 1)
    operator.read("c1")
    assert.called("read", 1)
    receive("hello again")
    assert.is_unread("c1")
  end)

  it("replies on another device", function()
    receive("phone")
    operator.reply("c1", "on my way")
    advance("10m")
    assert.is_read("c1")
    assert.called("question", 1)
    assert.called(2) --> "expected 2 calls, and there was 1"
  end)

  it("has not replied to the newest message", function()
    receive("phone")
    operator.reply("c1")
    receive("phone")
    advance("10m")
    assert.is_read("c1") --> "hint: the read requested by .answered. .* is dropped: not_answered, only_if is"
  end)

  it("gives no text that is no string", function()
    receive("phone")
    operator.reply("c1", 5) --> "operator.reply: the text must be a string, got the number 5"
  end)

  it("asks again what fails", function()
    receive("phone")
    operator.reply("c1")
    fail_next(3002)
    advance("10m")
    assert.is_unread("c1")
    advance("1s")
    assert.is_read("c1")
  end)

  it("leaves a chat unread where Chert refuses to answer", function()
    receive("phone")
    operator.reply("c1")
    fail_next(2002)
    advance("10m")
    assert.is_read("c1") --> "answer_unknown"
  end)

  it("reads no chat that a rule keeps unread: a veto beats any read", function()
    receive("veto")
    operator.read("c1")
    assert.is_unread("c1")
  end)

  it("reads no chat that is held", function()
    receive("hold")
    operator.read("c1")
    assert.is_read("c1") --> "expected chat c1 to be read, it is unread\nhint: the read requested by .operator. at 12:00:00 is dropped: vetoed"
  end)

  it("reads a chat that there is", function()
    receive("hello")
    operator.read("c2") --> "operator.read: no event and no rule has named the chat .c2.\nhint: there is c1"
  end)

  it("releases a chat that there is", function()
    operator.release("c2") --> "operator.release: no event and no rule has named the chat .c2.\nhint: receive"
  end)

  it("wants a chat", function()
    operator.hold() --> "operator.hold: the chat must be a string, got nil\nhint: operator.hold\(.c1., .2h.\)"
  end)

  it("wants a duration", function()
    operator.hold("c1", "soon") --> "operator.hold: .*soon"
  end)

  it("wants fields that there are", function()
    operator.hold("c1", "1h", { raeson = "x" }) --> "operator.hold: unknown field .raeson.\nhint: did you mean reason\?"
  end)
end)

describe("a message for people", function()
  before_each(function()
    receive({ chat = "c1", text = "hello" })
  end)

  it("stands last in called", function()
    assert.called("typing", "nobody typed here") --> "^nobody typed here: expected a call of kind typing, and there was none"
  end)

  it("stands behind a chat in called", function()
    assert.called("typing", "c1", "why") --> "^why: expected a call of kind typing, chat c1, and there was none"
  end)

  it("stands behind how often in called", function()
    assert.called("typing", 1, "why") --> "^why: expected 1 call of kind typing, and there was none"
  end)

  it("stands behind all in called", function()
    assert.called("typing", "c1", 1, "why") --> "^why: expected 1 call of kind typing, chat c1, and there was none"
  end)

  it("stands behind how often alone", function()
    assert.called(77, "why") --> "^why: expected 77 calls"
  end)

  it("stands behind fields", function()
    assert.called({ kind = "typing" }, "why") --> "^why: expected a call of kind typing"
  end)

  it("does not hide a misspelt chat", function()
    assert.was_not_called("typing", "cl") --> "called: no event and no rule has named the chat .cl."
  end)

  it("is one", function()
    assert.was_not_called("typing", "c1", "why", "and why") --> "assert.was_not_called takes one message, got"
  end)

  it("leaves the opposite as it is", function()
    assert.was_not_called("typing", "nobody types here")
    assert.was_not_called("typing", 1, "why")
    assert.not_logged("opted out", "nobody opted out")
    assert.is_not_held("nobody holds it")
    assert.is_not_postponed("nobody postpones it")
    assert.not_failed(nil, "no rule fails")
  end)

  it("stands behind the text of logged", function()
    assert.logged("opted out", "they did not") --> "^they did not: expected a log line with .opted out.\nhint"
  end)

  it("stands behind the level of logged", function()
    assert.logged("opted out", "warn", "why") --> "^why: expected a log line with .opted out. at level warn"
  end)

  it("stands where the chat is left out", function()
    assert.is_held("an operator holds it") --> "^an operator holds it: expected chat c1 to be held"
  end)

  it("stands where the chat of a read is left out", function()
    assert.is_kept_unread("a VIP wrote") --> "^a VIP wrote: expected chat c1 to be kept unread"
  end)
end)

describe("a value too many or too few", function()
  it("behind the text of receive", function()
    receive("hello", "c1") --> "receive takes at most 1 value, got 2\nhint: receive { chat = .c1., text"
  end)

  it("behind a duration", function()
    advance("1m", "1m") --> "advance takes at most 1 value, got 2"
  end)

  it("behind the fields of fire", function()
    receive("hello")
    fire("reaction.added", { chat = "c1" }, 5) --> "fire takes at most 2 values, got 3"
  end)

  it("behind a chat", function()
    receive("hello")
    state("c1", "n") --> "state takes at most 1 value, got 2"
  end)

  it("in an assertion of nothing", function()
    assert.is_nil() --> "assert.is_nil takes 1 value, got 0"
  end)

  it("in a comparison with nothing", function()
    assert.same({}) --> "assert.same takes 2 values, got 1"
  end)

  it("in the operator's hold", function()
    operator.hold("2h") --> "operator.hold: which chat\? .2h. is a duration"
  end)

  it("of no MIME type", function()
    receive({ media = "jpeg" }) --> "receive: media must be true, a number, or a MIME type"
  end)

  it("of a boolean in quotes", function()
    receive({ is_group = "false" }) --> "is_group must be true or false, got the string .false.\nhint: write is_group = true or is_group = false"
  end)

  it("of a number that is no string", function()
    receive({ from = 15551112222 }) --> "from must be a string, got the number 15551112222"
  end)

  it("of no parts", function()
    receive({ parts = "x" }) --> "receive: parts must be a list of parts"
  end)
end)
