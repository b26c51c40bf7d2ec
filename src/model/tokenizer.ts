import { existsSync } from 'node:fs';
import path from 'node:path';
import { Tokenizer as HuggingFaceTokenizer } from '@huggingface/tokenizers';
import { messageOf, UserError } from '../platform/errors.ts';
import { assertRegular, readJson, readText } from '../platform/files.ts';
import { withinTime } from '../platform/time-limit.ts';
import { problemOfEncoding, problemOfTokenizer } from './bounded-tokenizer.ts';
import { byteLevelTokenizer } from './byte-level-tokenizer.ts';
import { ChatTemplate, templateFile } from './chat-template.ts';

export interface TokenizerFiles {
  /** The content of `tokenizer.json`. */
  readonly tokenizer: object;
  /** The content of `tokenizer_config.json`. */
  readonly config: object;
}

/** Milliseconds to construct a tokenizer; the largest published ones take about 2,000 on a slow machine. */
const constructionTime = 60_000;

/** An upper limit for token ids, because memory is allocated up to the largest id. */
const mostIds = 2 ** 24;

/** The files that `Tokenizer.read` reads. */
const tokenizerFiles = ['tokenizer.json', 'tokenizer_config.json', templateFile, 'vocab.json', 'merges.txt'];

/** The token ids in `tokenizer.json`, as far as the file can be parsed. */
function declaredIds(tokenizer: unknown): unknown[] {
  const { model, added_tokens: added } = (tokenizer ?? {}) as {
    model?: { vocab?: unknown } | null;
    added_tokens?: unknown;
  };
  const vocabulary = model?.vocab;
  const listed = typeof vocabulary === 'object' && vocabulary !== null && !Array.isArray(vocabulary);
  return [
    ...(listed ? Object.values(vocabulary) : []),
    ...(Array.isArray(added) ? added.map((entry: { id?: unknown } | null) => entry?.id ?? null) : []),
  ];
}

/** Converts text to token ids and back, according to the checkpoint's `tokenizer.json`. */
export class Tokenizer {
  readonly files: TokenizerFiles;
  readonly #tokenizer: HuggingFaceTokenizer;
  readonly #unknown: number | undefined;
  /** Texts that the library treats as special tokens. */
  readonly #specials: readonly string[];
  #texts: readonly string[] | undefined;
  #chat: ChatTemplate | null | undefined;

  constructor(files: TokenizerFiles) {
    this.files = files;
    this.#tokenizer = new HuggingFaceTokenizer(files.tokenizer, files.config);
    const unknown = (files.tokenizer as { model?: { unk_token?: string } }).model?.unk_token;
    const { added_tokens = [] } = files.tokenizer as { added_tokens?: { content: string; special?: boolean }[] };
    this.#specials = added_tokens
      .filter(({ content, special }) => special && content.length > 1)
      .map(({ content }) => content);
    this.#unknown = unknown === undefined ? undefined : this.#tokenizer.token_to_id(unknown);
  }

  static async read(folder: string): Promise<Tokenizer> {
    const [file, template] = [path.join(folder, 'tokenizer.json'), path.join(folder, templateFile)];
    for (const name of tokenizerFiles) await assertRegular(path.join(folder, name));
    const written = await readJson(path.join(folder, 'tokenizer_config.json'));
    if (typeof written !== 'object' || written === null || Array.isArray(written))
      throw new UserError(`${path.join(folder, 'tokenizer_config.json')} is not a JSON object; restore the file.`);
    const config = existsSync(template) ? { ...written, chat_template: await readText(template) } : written;
    const isBare = !existsSync(file) && existsSync(path.join(folder, 'vocab.json'));
    const tokenizer = isBare ? await byteLevelTokenizer(folder, config) : ((await readJson(file)) as object);
    const wrong = declaredIds(tokenizer).find(
      (id) => !(Number.isInteger(id) && 0 <= (id as number) && (id as number) < mostIds),
    );
    if (wrong !== undefined)
      throw new UserError(`${file} has a token whose id is ${JSON.stringify(wrong)}; restore the file.`);
    const excess = problemOfTokenizer(Object(tokenizer));
    if (excess !== null) throw new UserError(`${file} cannot be used: ${excess}; choose another model.`);
    let made: Tokenizer;
    try {
      made = withinTime(constructionTime, () => new Tokenizer({ tokenizer, config }));
    } catch (error) {
      throw new UserError(`${file} is not a tokenizer that can be used (${messageOf(error)}); restore the file.`);
    }
    const slow = problemOfEncoding((text) => made.encode(text));
    if (slow !== null) throw new UserError(`${file} cannot be used: ${slow}; choose another model.`);
    return made;
  }

  /** The largest token id. */
  get largestId(): number {
    return [...this.#tokenizer.get_vocab(true).values()].reduce((most, id) => Math.max(most, id), -1);
  }

  /** The text of each token by its id; empty for special tokens. */
  get texts(): readonly string[] {
    this.#texts ??= Array.from({ length: this.largestId + 1 }, (_, id) => this.decode([id]));
    return this.#texts;
  }

  /** The special tokens that every text begins with, according to `tokenizer.json`. */
  get startTokens(): readonly number[] {
    return this.#tokenizer.encode('').ids;
  }

  /** The id of a special token; undefined if there is none with that name. */
  specialToken(name: string): number | undefined {
    return this.#specials.includes(name) ? this.#tokenizer.token_to_id(name) : undefined;
  }

  /** The id of a special token that `tokenizer_config.json` names, such as `bos_token`; undefined if it names none. */
  namedToken(field: 'bos_token' | 'eos_token'): number | undefined {
    const value = (this.files.config as Record<string, unknown>)[field];
    const name = typeof value === 'string' ? value : (value as { content?: unknown } | null | undefined)?.content;
    return typeof name === 'string' ? this.specialToken(name) : undefined;
  }

  /** The ids of all special tokens. */
  get specialTokens(): readonly number[] {
    return this.#specials.flatMap((name) => this.specialToken(name) ?? []);
  }

  /** Encodes plain text. A part that looks like a special token is encoded as text. */
  encode(text: string): number[] {
    return this.#plainParts(text).flatMap((part) => this.#encodePart(part));
  }

  /** Encodes a text as the library does. Throws a `UserError` if a part of it has no token, for which the library returns no id. */
  #encodePart(text: string): number[] {
    const { ids } = this.#tokenizer.encode(text, { add_special_tokens: false });
    if (ids.every(Number.isInteger)) return ids;
    const shown = JSON.stringify(text.slice(0, 40));
    throw new UserError(`The model's tokenizer has no token for a part of ${shown}; restore its tokenizer.json.`);
  }

  /**
   * Encodes a prompt in the model's chat template. Special tokens of the template are encoded as such, but parts of the
   * prompt that look like special tokens are encoded as text. Throws a `UserError` if the model has no template.
   */
  encodeChat(prompt: string): number[] {
    if (this.#chat === undefined) this.#chat = ChatTemplate.of(this.files.config);
    if (this.#chat === null)
      throw new UserError("The model's tokenizer_config.json has no chat_template; use the format tagged instead.");
    const { text, from, to } = this.#chat.render(prompt);
    const parts = this.#plainParts(text.slice(from, to));
    parts[0] = text.slice(0, from) + (parts[0] ?? '');
    parts.push((parts.pop() as string) + text.slice(to));
    return parts.flatMap((part) => this.#encodePart(part));
  }

  /** Decodes tokens. Special tokens (end of text, mask, padding) are omitted by default. */
  decode(tokens: Iterable<number>, { special = false } = {}): string {
    const ids = [...tokens];
    return ids.length === 0
      ? ''
      : this.#tokenizer.decode(ids, { skip_special_tokens: !special, clean_up_tokenization_spaces: false });
  }

  /** Splits a text so that no part contains the name of a special token: each name is split after its first character. */
  #plainParts(text: string): string[] {
    if (text === '') return [];
    const name = this.#specials.find((special) => text.includes(special));
    if (name === undefined) return [text];
    const cut = text.indexOf(name) + 1;
    return [...this.#plainParts(text.slice(0, cut)), ...this.#plainParts(text.slice(cut))];
  }

  /** Whether some part of the text has no token. */
  dropsRowsOf(text: string): boolean {
    return this.#unknown !== undefined && this.encode(text).includes(this.#unknown);
  }
}

export const characterSpecials = { pad: 0, eos: 1, mask: 2, unknown: 3 } as const;

/** A tokenizer with one token per character of `alphabet`, for small models of puzzles. */
export const characterTokenizer = (alphabet: string): TokenizerFiles => fixedTokenizer([...new Set(alphabet)], null);

/**
 * A tokenizer with one token per piece of a text, for small models of generated texts. A piece that is not in the vocabulary
 * becomes its characters.
 *
 * @param pieces the vocabulary, with the characters of its pieces
 * @param pattern a regular expression that matches the pieces of a text one after the other
 */
export const pieceTokenizer = (pieces: readonly string[], pattern: string): TokenizerFiles =>
  fixedTokenizer(pieces, { type: 'Split', pattern: { Regex: pattern }, behavior: 'Isolated', invert: false });

/** A tokenizer without merges. With a pre-tokenizer, a whole piece is a token if it is in the vocabulary. */
function fixedTokenizer(tokens: readonly string[], preTokenizer: object | null): TokenizerFiles {
  const specials = ['<pad>', '<eos>', '<mask>', '<unk>'];
  const vocabulary = Object.fromEntries([...specials, ...tokens].map((token, id) => [token, id]));
  const flags = { single_word: false, lstrip: false, rstrip: false, normalized: false, special: true };
  return {
    tokenizer: {
      version: '1.0',
      truncation: null,
      padding: null,
      added_tokens: specials.map((content, id) => ({ id, content, ...flags })),
      normalizer: null,
      pre_tokenizer: preTokenizer,
      post_processor: null,
      decoder: { type: 'Fuse' },
      // Byte-pair encoding without merges gives single characters.
      model: {
        type: 'BPE',
        dropout: null,
        unk_token: '<unk>',
        fuse_unk: false,
        byte_fallback: false,
        ...(preTokenizer === null ? {} : { ignore_merges: true }),
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
