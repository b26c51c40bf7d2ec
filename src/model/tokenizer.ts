import path from 'node:path';
import { Tokenizer as HuggingFaceTokenizer } from '@huggingface/tokenizers';
import { messageOf, UserError } from '../platform/errors.ts';
import { readJson } from '../platform/files.ts';

export interface TokenizerFiles {
  /** What `tokenizer.json` holds. */
  readonly tokenizer: object;
  /** What `tokenizer_config.json` holds. */
  readonly config: object;
}

/** Text to token ids and back, as the checkpoint's `tokenizer.json` says. */
export class Tokenizer {
  readonly files: TokenizerFiles;
  readonly #tokenizer: HuggingFaceTokenizer;
  readonly #unknown: number | undefined;

  constructor(files: TokenizerFiles) {
    this.files = files;
    this.#tokenizer = new HuggingFaceTokenizer(files.tokenizer, files.config);
    const unknown = (files.tokenizer as { model?: { unk_token?: string } }).model?.unk_token;
    this.#unknown = unknown === undefined ? undefined : this.#tokenizer.token_to_id(unknown);
  }

  static async read(folder: string): Promise<Tokenizer> {
    const tokenizer = (await readJson(path.join(folder, 'tokenizer.json'))) as object;
    const config = (await readJson(path.join(folder, 'tokenizer_config.json'))) as object;
    try {
      return new Tokenizer({ tokenizer, config });
    } catch (error) {
      throw new UserError(
        `${path.join(folder, 'tokenizer.json')} is not a tokenizer that can be used (${messageOf(error)}); restore the file.`,
      );
    }
  }

  /** The largest id that it gives to a token. */
  get largestId(): number {
    return [...this.#tokenizer.get_vocab(true).values()].reduce((most, id) => Math.max(most, id), -1);
  }

  encode(text: string): number[] {
    return text === '' ? [] : this.#tokenizer.encode(text, { add_special_tokens: false }).ids;
  }

  /** The text of tokens; special ones (end of text, mask, padding) are left out unless asked for. */
  decode(tokens: Iterable<number>, { special = false } = {}): string {
    const ids = [...tokens];
    return ids.length === 0
      ? ''
      : this.#tokenizer.decode(ids, { skip_special_tokens: !special, clean_up_tokenization_spaces: false });
  }

  /** Whether the tokenizer has no token for some part of the text. */
  losesSomeOf(text: string): boolean {
    return this.#unknown !== undefined && this.encode(text).includes(this.#unknown);
  }
}

export const characterSpecials = { pad: 0, eos: 1, mask: 2, unknown: 3 } as const;

/** A tokenizer with one token per character of `alphabet`, for small models of puzzles. */
export function characterTokenizer(alphabet: string): TokenizerFiles {
  const specials = ['<pad>', '<eos>', '<mask>', '<unk>'];
  const vocabulary = Object.fromEntries([...specials, ...new Set(alphabet)].map((token, id) => [token, id]));
  const flags = { single_word: false, lstrip: false, rstrip: false, normalized: false, special: true };
  return {
    tokenizer: {
      version: '1.0',
      truncation: null,
      padding: null,
      added_tokens: specials.map((content, id) => ({ id, content, ...flags })),
      normalizer: null,
      pre_tokenizer: null,
      post_processor: null,
      decoder: { type: 'Fuse' },
      // Byte-pair encoding without merges leaves single characters.
      model: {
        type: 'BPE',
        dropout: null,
        unk_token: '<unk>',
        fuse_unk: false,
        byte_fallback: false,
        vocab: vocabulary,
        merges: [],
      },
    },
    config: {
      tokenizer_class: 'PreTrainedTokenizerFast',
      pad_token: '<pad>',
      eos_token: '<eos>',
      mask_token: '<mask>',
      unk_token: '<unk>',
      clean_up_tokenization_spaces: false,
    },
  };
}
