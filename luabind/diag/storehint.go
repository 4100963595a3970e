package diag

// StoreHint is the hint for an error of the store beside which the daemon continues. What
// is wrong with the store differs, and chertd status shows it with its fix.
const StoreHint = "chertd status shows what is wrong with the store, and the fix; the disk may be full or fail"
