describe("typing-bot", function()
  before_each(function()
    configure({
      notice = "3s",
      think = "4s",
      letters_per_second = 8,
      at_most = 20,
      fresh = 600,
      longest = 160,
      again = "12h",
      reaction = "like",
    })
  end)

  local question = "Hi! When do you open tomorrow?"

  it("reads, types and answers", function()
    receive({ chat = "c1", text = question, message_id = "m1" })
    assert.not_called()
    advance("3s")
    assert.is_read("c1")
    assert.called("typing", 0)
    advance("1s")
    assert.called({ kind = "react", message = "m1", text = "like" })
    assert.called({ kind = "typing", text = "typing" })
    assert.called("send", 0)
    advance("20s")
    assert.called({ kind = "send", chat = "c1", text = "We are open Monday to Friday, from 9 to 5:30.", times = 1 })
  end)

  it("types longer for a longer answer", function()
    receive({ chat = "c1", text = question })
    advance("9s")
    assert.called("send", 0)
    advance("1s")
    assert.called("send", 1)
  end)

  it("never types longer than at_most", function()
    configure({ at_most = 2 })
    receive({ chat = "c1", text = question })
    advance("6s")
    assert.called("send", 1)
  end)

  it("answers each of its questions", function()
    for i, answer in ipairs(data.load("answers")) do
      receive({ chat = "c" .. i, text = answer.words[1] .. "?" })
      advance("1m")
      assert.called({ kind = "send", chat = "c" .. i, text = answer.text })
    end
  end)

  it("does not react if reaction is empty", function()
    configure({ reaction = "" })
    receive({ chat = "c1", text = question })
    advance("1m")
    assert.called("react", 0)
    assert.called("send", 1)
  end)

  it("does not repeat itself", function()
    receive({ chat = "c1", text = question })
    advance("1h")
    receive({ chat = "c1", text = question })
    advance("1h")
    assert.called("send", 1)
    advance("12h")
    receive({ chat = "c1", text = question })
    advance("1h")
    assert.called("send", 2)
  end)

  it("leaves a chat for a person if someone writes again", function()
    receive({ chat = "c1", text = question })
    advance("5s")
    receive({ chat = "c1", text = "Never mind, my parcel is broken" })
    assert.called({ kind = "typing", text = "stopped" })
    receive({ chat = "c1", text = "and wet" })
    assert.called({ kind = "typing", text = "stopped", times = 1 })
    advance("1h")
    assert.called("send", 0)
    assert.is_unread("c1")
  end)

  it("does so before it types and after it answers", function()
    receive({ chat = "c1", text = question })
    receive({ chat = "c1", text = "Never mind" })
    receive({ chat = "c2", text = question })
    advance("1m")
    receive({ chat = "c2", text = "Thanks!" })
    assert.called({ kind = "typing", chat = "c1", times = 0 })
    assert.called({ kind = "typing", chat = "c2", text = "stopped", times = 0 })
    assert.called({ kind = "send", chat = "c1", times = 0 })
  end)

  it("leaves old messages for a person", function()
    receive({ chat = "c1", text = question, at = now() - 601 })
    receive({ chat = "c2", text = question, at = now() - 600 })
    advance("1h")
    assert.called({ kind = "send", times = 1 })
    assert.is_unread("c1")
    assert.is_read("c2")
  end)

  it("leaves long messages, groups and other questions for a person", function()
    receive({ chat = "c1", text = question .. (" and another thing"):rep(20) })
    receive({ chat = "c2", text = question, is_group = true })
    receive({ chat = "c3", text = "Is it broken?" })
    advance("1h")
    assert.not_called()
  end)

  it("logs an error if an answer cannot be sent", function()
    receive({ chat = "c1", text = question })
    advance("9s")
    fail_next(2002)
    advance("1s")
    assert.logged("the bot failed", "error")
  end)

  it("rejects a speed of 0", function()
    configure({ letters_per_second = 0 })
    assert.has_error(function()
      receive({ chat = "c1", text = question })
    end, "letters_per_second")
  end)
end)
