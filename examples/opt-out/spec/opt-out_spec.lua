describe("opt-out", function()
  before_each(function()
    configure({ hold = "7d" })
  end)

  it("leaves an opt-out for a person, and logs it", function()
    receive({ chat = "c1", text = "STOP" })
    assert.is_held("c1")
    assert.logged("wants no more messages", "warn")
  end)

  it("recognizes each of its words, in any case", function()
    for i, word in ipairs(data.load("words")) do
      receive({ chat = "c" .. i, text = "Please, " .. word:upper() .. "!" })
      assert.is_held("c" .. i)
    end
  end)

  it("matches whole words only", function()
    receive({ chat = "c1", text = "the bus is nonstop" })
    assert.is_not_held("c1")
    assert.not_logged("wants no more messages")
  end)

  it("leaves groups alone", function()
    receive({ chat = "g1", is_group = true, text = "stop it, you two" })
    assert.is_not_held("g1")
  end)

  it("ends when the hold is over", function()
    receive({ chat = "c1", text = "unsubscribe" })
    advance("7d")
    assert.is_not_held("c1")
  end)
end)
