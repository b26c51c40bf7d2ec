import type { Denoised } from '../diffusion/canvas.ts';
import { UserError } from '../platform/errors.ts';
import type { CanvasMessage } from './messages.ts';

/** A decoded canvas as a message, which keeps every number to the bit. */
export function toMessage({ tokens, revealedAt, confidence, entropy, forwards, overwritten }: Denoised): CanvasMessage {
  return {
    tokens: base64(tokens),
    revealedAt: base64(revealedAt),
    confidence: base64(confidence),
    entropy: base64(entropy),
    forwards,
    ...(overwritten
      ? {
          overwritten: overwritten.map(({ position, token, revealedAt: step, entropy: nats }) => ({
            position,
            token,
            revealedAt: step,
            entropy: nats,
          })),
        }
      : {}),
  };
}

/**
 * Reads a canvas of `length` tokens from a message. Throws a `UserError` if it has another length, or a token outside the vocabulary.
 */
export function fromMessage(message: CanvasMessage, length: number, vocabulary: number): Denoised {
  const { overwritten, forwards } = message;
  const tokens = new Int32Array(fromBase64(message.tokens, length));
  if (tokens.some((token) => token < 0 || token >= vocabulary))
    throw new UserError('A result has a token that the model does not have; it was dropped.');
  return {
    tokens,
    revealedAt: new Int32Array(fromBase64(message.revealedAt, length)),
    confidence: new Float32Array(fromBase64(message.confidence, length)),
    entropy: new Float32Array(fromBase64(message.entropy, length)),
    forwards,
    ...(overwritten ? { overwritten } : {}),
  };
}

const base64 = ({ buffer, byteOffset, byteLength }: Int32Array | Float32Array): string =>
  Buffer.from(buffer, byteOffset, byteLength).toString('base64');

/** The bytes of `length` 32-bit numbers. */
function fromBase64(text: string, length: number): ArrayBuffer {
  const bytes = Buffer.from(text, 'base64');
  if (bytes.length !== 4 * length)
    throw new UserError(`A result has ${bytes.length / 4} numbers instead of ${length}; it was dropped.`);
  return bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length) as ArrayBuffer;
}
