import type { LanguageModel } from '../../../src/model/language-model.ts';
import type { Tokenizer } from '../../../src/model/tokenizer.ts';

/** Tokens before and behind a gap. */
export interface Context {
  readonly prefix: readonly number[];
  readonly suffix: readonly number[];
}

/** A gap between given tokens, into which canvases of one width are put. */
export interface Gap {
  /** Logits of the places [from, to) of each canvas, [(to - from) * vocab_size] per canvas. */
  logits(
    canvases: readonly Int32Array[],
    range: { readonly from: number; readonly to: number },
  ): Promise<Float32Array[]>;
}

/** Where given text never sees the canvas it is read here, once; else it is read again with every canvas. */
export async function openGap(model: LanguageModel, { prefix, suffix }: Context, width: number): Promise<Gap> {
  const begin = prefix.length;
  if (model.config.attention === 'prefix-lm') {
    const behind = suffix.map((_, index) => begin + width + index);
    const context = await model.context.read({
      tokens: [...prefix, ...suffix],
      positions: [...prefix.keys(), ...behind],
    });
    return {
      logits: (canvases, range) => model.context.logits(context, canvases, { position: begin, ...range }),
    };
  }
  return {
    logits: (canvases, { from, to }) =>
      model.logits(
        canvases.map((canvas) => ({
          tokens: Int32Array.from([...prefix, ...canvas, ...suffix]),
          places: Array.from({ length: to - from }, (_, index) => begin + from + index),
        })),
      ),
  };
}

/** Characters that hold `tokens` tokens of code, with room to spare. */
const charactersPerToken = 8;

/**
 * At most `contextTokens` and `room` tokens, the nearest to the gap: up to three quarters of them before it, and what one
 * side does not need goes to the other. Lines end as they do in what models are trained on.
 */
export function readContext(
  tokenizer: Tokenizer,
  {
    prefix,
    suffix,
    contextTokens,
  }: { readonly prefix: string; readonly suffix: string; readonly contextTokens: number },
  room: number,
): Context {
  const budget = Math.min(contextTokens, room);
  const before = tokenizer.encode(lastCharacters(prefix, budget * charactersPerToken).replaceAll('\r\n', '\n'));
  const behind = tokenizer.encode(firstCharacters(suffix, budget * charactersPerToken).replaceAll('\r\n', '\n'));
  const reserved = Math.min(behind.length, Math.floor(budget / 4));
  const kept = before.slice(Math.max(0, before.length - (budget - reserved)));
  return { prefix: kept, suffix: behind.slice(0, budget - kept.length) };
}

/** Cut between whole characters: half a surrogate pair is no text, and half a line break is none. */
function lastCharacters(text: string, count: number): string {
  const cut = text.slice(-count);
  return /^[\uDC00-\uDFFF]/.test(cut) && cut.length < text.length ? cut.slice(1) : cut;
}

function firstCharacters(text: string, count: number): string {
  const cut = text.slice(0, count);
  return /[\uD800-\uDBFF\r]$/.test(cut) && cut.length < text.length ? cut.slice(0, -1) : cut;
}
