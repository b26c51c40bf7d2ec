import { createHash } from 'node:crypto';

/** The first 64 bits of a text's SHA-256, as 16 hexadecimal digits. */
export const contentDigest = (text: string): string => createHash('sha256').update(text).digest('hex').slice(0, 16);
