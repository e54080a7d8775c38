export { CRAM_FLAGS, Cram, CramToken } from './cram.js';
export { CramEntry, CramEntryToken, type EntryRequest } from './entry.js';
export { CramFree, CramFreeToken, type FlushCallback } from './free.js';
export { CramConfig, type CramMends } from './mends.js';
export { CRAM_PRESSURE_MAX, type CramNode } from './node.js';
export { type CramOptions, cram } from './plugin.js';
export { CramPromotion, CramPromotionToken } from './promotion.js';
