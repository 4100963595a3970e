describe("spam", function()
  before_each(function()
    configure({ report_at = 3 })
  end)

  it("leaves messages of listed senders unread", function()
    receive({ chat = "c1", from = "+1 415 555 0150", text = "hello" })
    assert.is_kept_unread("c1")
  end)

  it("leaves what only spam says unread", function()
    receive({ chat = "c1", text = "You have been SELECTED!" })
    assert.is_kept_unread("c1")
  end)

  it("leaves other messages alone", function()
    receive({ chat = "c1", text = "Have you selected a colour?" })
    assert.is_not_kept_unread("c1")
  end)

  it("lets those who are known write what they like", function()
    receive({ chat = "c1", from = "+1 415 555 0100", text = "Claim your prize!" })
    assert.is_not_kept_unread("c1")
  end)

  it("judges each message by itself", function()
    receive({ chat = "c1", text = "Act now!" })
    assert.is_kept_unread("c1")
    receive({ chat = "c1", text = "Sorry, wrong number" })
    assert.is_not_kept_unread("c1")
  end)

  it("takes spam that names no sender", function()
    receive({ chat = "c1", from = "", text = "Act now!" })
    assert.is_kept_unread("c1")
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
