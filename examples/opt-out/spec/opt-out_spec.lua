describe("opt-out", function()
  before_each(function()
    configure({ hold = "7d" })
  end)

  it("leaves an opt-out for a person, and says so", function()
    receive({ chat = "c1", text = "STOP" })
    assert.is_held("c1")
    assert.logged("wants no more messages", "warn")
  end)

  it("knows each of its words, in any spelling", function()
    for i, word in ipairs(data.load("words")) do
      receive({ chat = "c" .. i, text = "Please, " .. word:upper() .. "!" })
      assert.is_held("c" .. i)
    end
  end)

  it("goes by whole words", function()
    receive({ chat = "c1", text = "the bus is nonstop" })
    assert.is_not_held("c1")
    assert.not_logged("wants no more messages")
  end)

  it("leaves groups alone", function()
    receive({ chat = "g1", is_group = true, text = "stop it, you two" })
    assert.is_not_held("g1")
  end)

  it("ends by itself", function()
    receive({ chat = "c1", text = "unsubscribe" })
    advance("7d")
    assert.is_not_held("c1")
  end)
end)
