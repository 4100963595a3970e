describe("spam", function()
  before_each(function()
    configure({ report_at = 3 })
  end)

  it("leaves messages from blocked senders unread", function()
    receive({ chat = "c1", from = "+1 415 555 0150", text = "hello" })
    assert.is_kept_unread("c1")
  end)

  it("leaves messages with a spam phrase unread", function()
    receive({ chat = "c1", text = "You have been SELECTED!" })
    assert.is_kept_unread("c1")
  end)

  it("leaves other messages alone", function()
    receive({ chat = "c1", text = "Have you selected a colour?" })
    assert.is_not_kept_unread("c1")
  end)

  it("lets known people write anything", function()
    receive({ chat = "c1", from = "+1 415 555 0100", text = "Claim your prize!" })
    assert.is_not_kept_unread("c1")
  end)

  it("judges each message separately", function()
    receive({ chat = "c1", text = "Act now!" })
    assert.is_kept_unread("c1")
    receive({ chat = "c1", text = "Sorry, wrong number" })
    assert.is_not_kept_unread("c1")
  end)

  it("keeps spam without a sender unread", function()
    receive({ chat = "c1", from = "", text = "Act now!" })
    assert.is_kept_unread("c1")
  end)

  it("logs a warning when one sender sends a lot of spam", function()
    for _ = 1, 2 do
      receive({ chat = "c1", from = "+1 415 555 0177", text = "Act now!" })
    end
    assert.not_logged("a lot of spam")
    receive({ chat = "c1", from = "+1 415 555 0177", text = "Act now!" })
    assert.logged("a lot of spam", "warn")
  end)
end)
