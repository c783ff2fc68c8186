/** What a compilation may take while it packs weights, where nobody says otherwise. */
export const DEFAULT_MEMORY_BYTES = 2e9;
