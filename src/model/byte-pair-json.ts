/**
 * The parts of a `tokenizer.json` with a byte-level byte-pair encoding, in the format of Hugging Face's tokenizers library. The
 * order of the fields is that of the library.
 */

/** What differs between tokenizers with a byte-level byte-pair encoding. */
export interface BytePairTokenizer {
  readonly addedTokens: readonly AddedToken[];
  readonly normalizer: object | null;
  readonly preTokenizer: object;
  readonly postProcessor: object | null;
  readonly decoder: object;
  /** Ids by token. */
  readonly vocab: Readonly<Record<string, number>>;
  readonly merges: readonly (readonly [string, string])[];
  /** Whether a piece that is in the vocabulary becomes that token, without applying merges. */
  readonly ignoreMerges?: boolean;
}

export interface AddedToken {
  readonly id: number;
  readonly content: string;
  /** Whether decoding can leave it out. */
  readonly special: boolean;
}

/** The content of `tokenizer.json`. */
export function bytePairJson(tokenizer: BytePairTokenizer) {
  const flags = { single_word: false, lstrip: false, rstrip: false, normalized: false };
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: tokenizer.addedTokens.map(({ id, content, special }) => ({ id, content, ...flags, special })),
    normalizer: tokenizer.normalizer,
    pre_tokenizer: tokenizer.preTokenizer,
    post_processor: tokenizer.postProcessor,
    decoder: tokenizer.decoder,
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: tokenizer.ignoreMerges ?? false,
      vocab: tokenizer.vocab,
      merges: tokenizer.merges,
    },
  };
}

/** Splits a text into the matches of a pattern and the text between them. */
export const splitAt = (pattern: string) => ({
  type: 'Split',
  pattern: { Regex: pattern },
  behavior: 'Isolated',
  invert: false,
});

/** Replaces bytes by visible characters. `useRegex`: splits the text into words before, as GPT-2 does. */
export const byteLevel = ({ addPrefixSpace = false, useRegex = false } = {}) => ({
  type: 'ByteLevel',
  add_prefix_space: addPrefixSpace,
  trim_offsets: true,
  use_regex: useRegex,
});

/** Applies pre-tokenizers one after the other. */
export const inSequence = (...pretokenizers: readonly object[]) => ({ type: 'Sequence', pretokenizers });
