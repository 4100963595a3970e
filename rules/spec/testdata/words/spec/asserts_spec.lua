describe("reads", function()
  it("says when a waiting read is due", function()
    receive("later")
    advance("10s")
    assert.is_read("c1") --> "expected chat c1 to be read, it is unread\nhint: the read requested by .later. waits until 12:00:30: advance\(.20s.\) gets there"
  end)

  it("says which veto dropped it", function()
    receive("later")
    receive("veto")
    assert.is_read("c1") --> "the read requested by .later. at 12:00:00 is dropped: vetoed, a rule requested keep_unread"
  end)

  it("says that it was superseded", function()
    receive("later")
    advance("10s")
    receive("x")
    advance("1m")
    assert.is_read("c1") --> "is dropped: superseded, a newer message came and no rule requested a read for it"
  end)

  it("says that a call failed and goes out again", function()
    fail_next(4001)
    receive("now")
    assert.is_read("c1") --> "the call failed \(4001 delivery failed\) and is made again at 12:00:01: advance\(.1s.\)"
  end)

  it("says that a call failed and is not repeated", function()
    fail_next(4099)
    receive("now")
    assert.is_read("c1") --> "the read requested by .now. at 12:00:00 is dead: 4099 not supported on this line"
  end)

  it("says which rule failed", function()
    receive("boom")
    assert.is_read("c1") --> "the rule .words#7. failed: .*words.lua:56: .*nothing"
  end)

  it("says what blocked it", function()
    receive("boom now")
    assert.is_read("c1") --> "the read requested by .now. at 12:00:00 is blocked: blocked, a rule that could have vetoed it failed"
  end)

  it("says why no rule ran", function()
    receive({ chat = "c1", text = "office", direction = "outbound" })
    assert.is_read("c1") --> "no inbound message came"
  end)

  it("says what rests", function()
    receive("rest")
    receive("rest")
    assert.is_read("c1") --> "no rule requested a read: .rested. did not run: cooldown"
  end)

  it("says which hours it is outside of", function()
    clock("2026-01-05 18:00")
    receive("office")
    assert.is_read("c1") --> "no rule requested a read: .office. did not run: outside its hours"
  end)

  it("says who read it", function()
    receive("now")
    assert.is_unread("c1") --> "expected chat c1 to be unread, it is read\nhint: it was read at 12:00:00, requested by .now. at .*words.lua:7 \(asked to\)"
  end)

  it("knows is_not_read", function()
    receive("x")
    assert.is_not_read("c1")
    assert.is_not_unread("c1") --> "expected chat c1 to be read, it is unread"
  end)

  it("wants a chat that there is", function()
    receive({ chat = "c1" })
    assert.is_unread("c11") --> "is_unread: no event and no rule has named the chat .c11.\nhint: did you mean .c1.\?"
  end)

  it("wants to know which chat", function()
    assert.is_read() --> "is_read: which chat\? no event has named one yet"
  end)

  it("takes a message for people", function()
    receive("x")
    assert.is_read("c1", "codes are read") --> "codes are read: expected chat c1 to be read"
  end)

  it("sees reads of other chats", function()
    receive({ chat = "c1", text = "other" })
    assert.is_read("c9")
    assert.is_unread("c1")
  end)
end)

describe("holds", function()
  it("sees them", function()
    receive("hold")
    assert.is_held("c1")
    advance("1h")
    assert.is_not_held("c1")
  end)

  it("drops what comes due meanwhile", function()
    receive("hold")
    receive("later")
    advance("30s")
    assert.is_read("c1") --> "is dropped: held, it came due while the chat was held"
  end)

  it("says that it ended", function()
    receive("hold")
    advance("2h")
    assert.is_held("c1") --> "expected chat c1 to be held, it is not\nhint: the hold by words/words#6 ended at 13:00:00"
  end)

  it("says until when", function()
    receive("hold")
    assert.is_not_held("c1") --> "expected chat c1 not to be held, it is until 13:00:00\nhint: by words/words#6 \(on hold\)"
  end)
end)

describe("called", function()
  it("counts", function()
    receive("answer")
    assert.called(3)
    assert.called("send", 1)
    assert.called("send", "c1", 1)
    receive({ chat = "c2", text = "hello" })
    assert.not_called("send", "c2")
    assert.called({ kind = "send", text = "hello", chat = "c1" })
    assert.called({ kind = "react", message = "msg-1", text = "love" })
    assert.called({ kind = "typing", text = "typing", ok = true })
    assert.not_called("read")
    assert.was_not_called({ chat = "c2" })
  end)

  it("says what was called", function()
    receive("now")
    assert.called("send") --> "expected a call of kind send, and there was none\nhint: the calls were: call read chat c1: done"
  end)

  it("says that nothing was", function()
    receive("x")
    assert.called("read", 2) --> "expected 2 calls of kind read, and there was none\nhint: no calls were made"
  end)

  it("says what was not wanted", function()
    receive("now")
    assert.was_not_called("read") --> "expected no call of kind read, and there was 1"
  end)

  it("knows the kinds", function()
    assert.called("mark_read") --> "called: there are no calls of kind .mark_read.\nhint: it is read, typing, react, send, notify or question"
  end)

  it("knows its fields", function()
    assert.called({ count = 1 }) --> "called: unknown field .count."
  end)
end)

describe("logged", function()
  it("finds a part of a line", function()
    receive("boom")
    assert.logged("about to")
    assert.logged("about to", "warn")
    assert.not_logged("about to", "error")
    assert.has_not.logged("nothing like it")
    assert.failed()
  end)

  it("says what was logged", function()
    receive("boom")
    assert.logged("all is well") --> "expected a log line with .all is well.\nhint: the rules logged warn .about to fail."
  end)

  it("says that nothing was", function()
    receive("x")
    assert.logged("hello", "info") --> "expected a log line with .hello. at level info\nhint: the rules logged nothing"
  end)

  it("knows the levels", function()
    assert.logged("x", "loud") --> "logged: there is no level .loud."
  end)
end)

describe("failed", function()
  it("sees rules fail", function()
    receive("boom")
    assert.failed("nothing")
    assert.not_failed("something else", "no rule fails so")
  end)

  it("takes the text of its opposite for a message", function()
    receive("x")
    assert.not_failed("no rule may fail")
    receive("boom")
    assert.not_failed("no rule may fail") --> "no rule may fail: expected no rule to fail\nhint: .words#7. failed"
  end)

  it("takes it for one where it is what failed, too", function()
    receive("boom")
    assert.has_no.failed("nothing") --> "nothing: expected no rule to fail"
  end)

  it("says that none did", function()
    receive("x")
    assert.failed() --> "expected a rule to fail, and none did"
  end)

  it("says which did", function()
    receive("boom")
    assert.not_failed() --> "expected no rule to fail\nhint: .words#7. failed: .*words.lua:56: "
  end)
end)

describe("values", function()
  it("hold", function()
    assert(true)
    assert.equal(1, 1)
    assert.are.equal("a", "a")
    assert.are_equal(nil, nil)
    assert.is.equal(2, 2)
    assert.same({ 1, { a = "b" } }, { 1, { a = "b" } })
    assert.are_not.same({ 1 }, { 2 })
    assert.are_not_equal({}, {})
    assert.is_true(1 == 1)
    assert.is_false(1 == 2)
    assert.is_not_true(1)
    assert.is_nil(nil)
    assert.is_not_nil(false)
    assert.truthy(0)
    assert.falsy(nil)
    assert.is_truthy("")
    assert.is_number(1)
    assert.is_string("")
    assert.is_table({})
    assert.is_boolean(false)
    assert.is_function(function() end)
    assert.matches("^h.l+o$", "hello")
    assert.does_not.match("x", "hello")
    assert.near(0.3, 0.1 + 0.2, 1e-9)
    assert.equal("a", (assert("a", "never")))
    assert.has_error(function()
      error("it broke")
    end)
    assert.has_error(function()
      error("it broke")
    end, "it broke")
    assert.has.errors(function()
      error({ code = 1 })
    end, { code = 1 })
    assert.has_no.errors(function() end)
  end)

  it("equal", function()
    assert.equal(1, 2) --> "expected 1, got 2"
  end)

  it("equal, of other types", function()
    assert.equal(1, "1") --> "expected 1, got .1.\nhint: one is a number, the other a string"
  end)

  it("equal, of tables", function()
    assert.equal({ 1 }, { 1 }) --> "expected the very table \{1\}, got another one, \{1\}\nhint: .*assert.same"
  end)

  it("same", function()
    assert.same({ list = { 1, 2 }, x = true }, { list = { 1, 3 }, x = true }) --> "expected \{list = \{1, 2\}, x = true\}, got \{list = \{1, 3\}, x = true\}\nhint: they differ at .list\[2\]"
  end)

  it("same, with one more", function()
    assert.same({}, { a = 1 }) --> "they differ at .a"
  end)

  it("not same", function()
    assert.are_not.same({ 1 }, { 1 }) --> "expected anything but \{1\}"
  end)

  it("true", function()
    assert.is_true("yes") --> "expected true, got .yes."
  end)

  it("nil", function()
    assert.is_nil(0) --> "expected nil, got 0"
  end)

  it("not nil", function()
    assert.is_not_nil(nil, "the chat") --> "the chat: expected anything but nil"
  end)

  it("truthy", function()
    assert.truthy(false) --> "expected a value that counts as true, got false"
  end)

  it("string", function()
    assert.is_string(5) --> "expected a string, got 5"
  end)

  it("matches", function()
    assert.matches("^%d+$", "12a") --> "expected a string that matches ..%d.\$., got .12a."
  end)

  it("has_error", function()
    assert.has_error(function() end) --> "expected an error, and there was none"
  end)

  it("has_error, of another text", function()
    assert.has_error(function() --> "expected an error with .this., got .that."
      error("that")
    end, "this")
  end)

  it("has_no_error", function()
    assert.has_no.errors(function() --> "expected no error, got it broke"
      error("it broke")
    end)
  end)

  it("has_no_error, with a text", function()
    assert.has_no_error(function() --> "expected no error, got it broke"
      error("it broke")
    end, "reading works")
  end)

  it("assert", function()
    assert(1 == 2, "numbers differ") --> "numbers differ"
  end)

  it("assert, without a message", function()
    assert(nil) --> "expected a value that counts as true, got nil"
  end)

  it("error", function()
    error("given up") --> "given up"
  end)

  it("unknown", function()
    assert.is_raed("c1") --> "assert.is_raed does not exist\nhint: did you mean assert.is_read\?"
  end)
end)
