describe("spam", function()
  before_each(function()
    configure({ report_at = 3 })
  end)

  it("leaves messages of listed senders unread", function()
    receive({ chat = "c1", from = "+1 415 555 0150", text = "hello" })
    assert.logged("spam is left unread")
    advance("1d")
    assert.is_unread("c1")
  end)

  it("leaves what only spam says unread", function()
    receive({ chat = "c1", text = "You have been SELECTED!" })
    assert.logged("spam is left unread")
    advance("1d")
    assert.is_unread("c1")
  end)

  it("leaves other messages alone", function()
    receive({ chat = "c1", text = "Have you selected a colour?" })
    assert.not_logged("spam")
  end)

  it("lets those who are known write what they like", function()
    receive({ chat = "c1", from = "+1 415 555 0100", text = "Claim your prize!" })
    assert.not_logged("spam")
  end)

  it("says so when there is much of it from one sender", function()
    for _ = 1, 2 do
      receive({ chat = "c1", from = "+1 415 555 0177", text = "Act now!" })
    end
    assert.not_logged("much spam")
    receive({ chat = "c1", from = "+1 415 555 0177", text = "Act now!" })
    assert.logged("much spam", "warn")
  end)
end)
