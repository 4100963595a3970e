---@meta
-- What specs of chertd see, for editors. `chertd new --stubs` writes it anew. It is
-- not a rule, and nothing runs it.

---Says what a pack, or a part of it, does.
---@param name string
---@param fn fun()
function describe(name, fn) end

---As describe.
---@param name string
---@param fn fun()
function context(name, fn) end

---One thing it does. Each begins in a new world, on Monday 2026-01-05 12:00 UTC.
---@param name string
---@param fn? fun()
function it(name, fn) end

---One thing it is to do some day: listed, and not run.
---@param name string
---@param fn? fun()
function pending(name, fn) end

---Runs before each it of its describe.
---@param fn fun()
function before_each(fn) end

---Runs after each it of its describe.
---@param fn fun()
function after_each(fn) end

---What is not said has a value that rarely matters.
---@class (exact) SpecEvent
---@field chat? string The chat's id; "c1" if not given to receive.
---@field text? string
---@field from? string The sender's number or address.
---@field is_group? boolean
---@field media? boolean|number|string|string[] true, how many, or MIME types.
---@field direction? "inbound"|"outbound"
---@field line? string The phone line of ours.
---@field service? string
---@field handles? string[] Who else is in the chat.
---@field type? string "message.received" if not given.
---@field id? string Identity of the event: the same one is handled once.
---@field message_id? string
---@field parts? table[]
---@field age? number|string How long ago it happened: "2h".
---@field at? number When it happened, in Unix seconds.
---@field sent_at? number When it was sent, in Unix seconds.
---@field source? "webhook"|"stream"|"catchup"|"file"
---@field data? table What else is in the event's data, as Chert writes it.

---A message comes in. A string is its text.
---@param event SpecEvent|string
function receive(event) end

---An event of any type, in a chat that something has named before, or one of chertd's own: "timer:<name>" (chat, payload),
---"schedule" (name), "action.done" and "action.failed" (kind, chat, code, status …).
---@param type string
---@param fields? table
function fire(type, fields) end

---Time passes, and what comes due happens.
---@param duration number|string "30s"
function advance(duration) end

---Time passes until then; before anything has happened, the world begins then.
---@param time string "2026-01-05 09:00"
---@param tz? string
function clock(time, tz) end

---The time, in Unix seconds.
---@return number
function now() end

---Sets settings of the pack, before anything has happened.
---@param settings table<string, any>
function configure(settings) end

---The next calls of Chert fail.
---@param code number|"timeout" One of Chert's codes.
---@param times? number 1 if not given.
function fail_next(code, times) end

---What an operator does with commands.
operator = {}

---`chertd hold`. The chat need not have been named before.
---@param chat string
---@param duration? number|string A day, if not given.
---@param options? {reason?: string}
function operator.hold(chat, duration, options) end

---`chertd release`.
---@param chat? string The last one, if not given.
function operator.release(chat) end

---A read requested by an operator: like any other, a veto or a hold drops it.
---@param chat? string The last one, if not given.
function operator.read(chat) end

---A copy of what the pack remembers of a chat: ev.state.
---@param chat? string The last one, if not given.
---@return table
function state(chat) end

---What was called for: all that is given must hold.
---@class (exact) SpecCall
---@field kind? "read"|"typing"|"react"|"send"
---@field chat? string
---@field text? string Of a send, a reaction or the typing state.
---@field message? string Of a reaction.
---@field code? number How it failed; 0: it did not.
---@field ok? boolean
---@field times? number How many there were; at least one if not given.

---Each has an opposite: is_not_held, not_called, not_logged, is_not_nil …
---@class SpecAssert
---@field is_read fun(chat?: string, message?: string) All that came into the chat has been read.
---@field is_unread fun(chat?: string, message?: string)
---@field is_held fun(chat?: string, message?: string) No read of it goes out.
---@field is_not_held fun(chat?: string, message?: string)
---@field is_kept_unread fun(chat?: string, message?: string) A rule vetoed reads of its newest message.
---@field is_not_kept_unread fun(chat?: string, message?: string)
---@field is_postponed fun(chat?: string, message?: string) Reads of it wait because a rule postponed them.
---@field is_not_postponed fun(chat?: string, message?: string)
---@field called fun(what?: SpecCall|string|number, times?: number) "send", 2, or a table.
---@field not_called fun(what?: SpecCall|string|number, times?: number)
---@field logged fun(text: string, level?: "debug"|"info"|"warn"|"error") A rule logged a line with the text.
---@field not_logged fun(text: string, level?: "debug"|"info"|"warn"|"error")
---@field failed fun(text?: string) A rule failed, with the text in its error.
---@field not_failed fun(text?: string)
---@field equal fun(expected: any, got: any, message?: string)
---@field are_equal fun(expected: any, got: any, message?: string)
---@field same fun(expected: any, got: any, message?: string) Tables are compared by what is in them.
---@field are_same fun(expected: any, got: any, message?: string)
---@field near fun(expected: number, got: number, tolerance: number, message?: string)
---@field matches fun(pattern: string, text: string, message?: string)
---@field is_true fun(value: any, message?: string)
---@field is_false fun(value: any, message?: string)
---@field is_nil fun(value: any, message?: string)
---@field is_not_nil fun(value: any, message?: string)
---@field is_truthy fun(value: any, message?: string)
---@field is_falsy fun(value: any, message?: string)
---@field has_error fun(fn: fun(), expected?: any, message?: string)
---@field has_no_error fun(fn: fun(), message?: string)
---@field [string] any
---@overload fun(value: any, message?: string): any
assert = {}
