---@meta
-- API stubs of chertd's specs, for completion in editors. Nothing runs this file.
-- `chertd new --stubs` regenerates it.

---Groups specs of a pack, or of a part of it.
---@param name string
---@param fn fun()
function describe(name, fn) end

---As describe.
---@param name string
---@param fn fun()
function context(name, fn) end

---One spec. Each runs in isolation, and begins on Monday 2026-01-05 at 12:00 UTC.
---@param name string
---@param fn? fun()
function it(name, fn) end

---A spec that is still to be written: listed, but not run.
---@param name string
---@param fn? fun()
function pending(name, fn) end

---Runs before each spec of its describe block.
---@param fn fun()
function before_each(fn) end

---Runs after each spec of its describe block.
---@param fn fun()
function after_each(fn) end

---Fields that you leave out get a default value.
---@class (exact) SpecEvent
---@field chat? string The chat's id; "c1" if not given to receive.
---@field text? string
---@field from? string The sender's number or address.
---@field is_group? boolean
---@field media? boolean|number|string|string[] true, how many, or MIME types.
---@field direction? "inbound"|"outbound"
---@field line? string Your phone line.
---@field service? string
---@field handles? string[] Who else is in the chat.
---@field type? string "message.received" if not given.
---@field id? string The event's id. An event with an id that was seen before is ignored.
---@field message_id? string
---@field parts? table[]
---@field age? number|string How long ago it happened: "2h".
---@field at? number When it happened, in Unix seconds.
---@field sent_at? number When it was sent, in Unix seconds.
---@field source? "webhook"|"stream"|"catchup"|"file"
---@field data? table More fields of the event's data, as Chert writes them.

---A message arrives. A string is its text.
---@param event SpecEvent|string
function receive(event) end

---A signal comes from outside, about a chat that the spec has mentioned before.
---@param name string As in "signal:<name>".
---@param fields? { chat?: string, data?: any, id?: string }
function signal(name, fields) end

---An event of any type arrives, in a chat that the spec has mentioned before. chertd's own events can be fired, too: "timer:<name>" (chat, payload),
---"schedule" (name), "action.done" and "action.failed" (kind, chat, code, status …).
---@param type string
---@param fields? table
function fire(type, fields) end

---Lets time pass. Everything that comes due happens, in order.
---@param duration number|string "30s"
function advance(duration) end

---Lets time pass until then. At the beginning of a spec, sets the time at which it begins.
---@param time string "2026-01-05 09:00"
---@param tz? string
function clock(time, tz) end

---Returns the time, in Unix seconds.
---@return number
function now() end

---Sets settings of the pack. Call it before the first event. lists sets the members of lists, also later.
---@param settings table<string, any>
function configure(settings) end

---Lets the next calls to Chert fail.
---@param code number|"timeout" One of Chert's codes.
---@param times? number How many calls fail; 1 if not given.
function fail_next(code, times) end

---Commands of an operator.
operator = {}

---Holds a chat, as `chertd hold` does. The spec need not have mentioned the chat before.
---@param chat string
---@param duration? number|string One day if not given.
---@param options? {reason?: string}
function operator.hold(chat, duration, options) end

---Releases a chat, as `chertd release` does.
---@param chat? string The last one, if not given.
function operator.release(chat) end

---Sends a message as an operator does on another device: for reads with `only_if`.
---@param chat? string The last one, if not given.
---@param text? string
function operator.reply(chat, text) end

---Requests a read, as an operator. A veto or a hold drops it, like any other read.
---@param chat? string The last one, if not given.
function operator.read(chat) end

---Returns a copy of the pack's ev.state for a chat.
---@param chat? string The last one, if not given.
---@return table
function state(chat) end

---A call to Chert or, with the kind "notify", to a target of notifications. All fields that you give must match.
---@class (exact) SpecCall
---@field kind? "read"|"typing"|"react"|"send"|"notify"|"question" A question asks Chert for the newest message, for only_if.
---@field chat? string
---@field target? string The target of a notification.
---@field text? string The text of a send or a notification, the kind of a reaction or the typing state.
---@field message? string The message of a reaction.
---@field code? number The error code of the answer; 0 if the call succeeded.
---@field ok? boolean
---@field times? number How many calls there were; at least one if not given.

---Each assertion has an opposite: is_not_held, not_called, not_logged, is_not_nil …
---@class SpecAssert
---@field is_read fun(chat?: string, message?: string) All messages of the chat have been read.
---@field is_unread fun(chat?: string, message?: string)
---@field is_held fun(chat?: string, message?: string) The chat is held: its reads are dropped.
---@field is_not_held fun(chat?: string, message?: string)
---@field is_kept_unread fun(chat?: string, message?: string) A rule vetoed reads of the chat's newest message.
---@field is_not_kept_unread fun(chat?: string, message?: string)
---@field is_postponed fun(chat?: string, message?: string) A rule postponed reads of the chat.
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
