package store

import (
	"context"

	"chertd/rules/chat"
)

// Waits lists the chats that have something waiting, page by page, and keeps the holds of
// selections.
type Waits interface {
	// WaitingLines returns the phone lines of chats that have actions waiting, in order: at most
	// limit, from one on (inclusive). The line "" is that of chats whose line is not known.
	WaitingLines(ctx context.Context, from string, limit int) ([]string, error)
	// WaitingChats returns the ids of a line's chats that have actions waiting, in order: at most
	// limit, those after a given one.
	WaitingChats(ctx context.Context, line, after string, limit int) ([]string, error)
	// NoticeChats returns the chats of chat.NotifyChat, in order: all that ever had a notification.
	NoticeChats(ctx context.Context) ([]string, error)
	// CountWaiting counts the chats of a line that have actions waiting; nil: of all lines.
	CountWaiting(ctx context.Context, line *string) (int64, error)
	// BlockedChats returns the ids of chats that have blocked reads, in order: at most limit, those
	// after a given one.
	BlockedChats(ctx context.Context, after string, limit int) ([]string, error)
	// CountChats counts the chats of which it is known that a selection chooses them, up to
	// CountedHolds.
	CountChats(ctx context.Context, of chat.Selection) (int64, error)

	// SelectionHolds returns the holds of selections that are kept, by id.
	SelectionHolds(ctx context.Context) ([]chat.SelectionHold, error)
	// SetSelectionHold adds a hold, or replaces the one with its id.
	SetSelectionHold(ctx context.Context, h chat.SelectionHold) error
	// DropSelectionHold removes a hold. It ignores an unknown id.
	DropSelectionHold(ctx context.Context, id int64) error
}
