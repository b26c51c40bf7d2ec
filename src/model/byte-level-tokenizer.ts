import { existsSync } from 'node:fs';
import path from 'node:path';
import { z } from 'zod';
import { UserError } from '../platform/errors.ts';
import { readJson, readText } from '../platform/files.ts';

/** Tokenizer classes whose vocabulary and merges are Qwen2's byte-level byte-pair encoding. */
const classes = ['Qwen2Tokenizer', 'Qwen2TokenizerFast', 'DreamTokenizer'];

/** The pattern by which Qwen2's tokenizer splits text before it applies merges. */
export const qwenPieces =
  "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";

const described = z.looseObject({
  tokenizer_class: z.string(),
  added_tokens_decoder: z.record(z.string().regex(/^\d{1,9}$/), z.looseObject({ content: z.string() })).default({}),
});
const idsOfTokens = z.record(z.string(), z.int().nonnegative());

/**
 * Builds the content of `tokenizer.json` for a model that is published only with `vocab.json` and `merges.txt`, such as Dream
 * and DiffuCoder. Throws a `UserError` if these files are missing or the tokenizer class is not supported.
 */
export async function byteLevelTokenizer(folder: string, config: object): Promise<object> {
  const file = (name: string) => path.join(folder, name);
  const parsed = described.safeParse(config);
  if (!parsed.success || !classes.includes(parsed.data.tokenizer_class))
    throw new UserError(
      `${file('tokenizer.json')} does not exist, and ${file('tokenizer_config.json')} names no tokenizer that can be made from vocab.json and merges.txt (${classes.join(', ')}); save it with a tokenizer.json.`,
    );
  const ids = async (name: string) => {
    const found = idsOfTokens.safeParse(await readJson(file(name)));
    if (!found.success) throw new UserError(`${file(name)} is not a table of tokens and their ids; restore the file.`);
    return found.data;
  };
  const vocabulary = await ids('vocab.json');
  const merges = (await readText(file('merges.txt')))
    .split('\n')
    .filter((line) => line.trim() !== '' && !line.startsWith('#version'))
    .map((line) => line.split(' '));
  const extra = existsSync(file('added_tokens.json')) ? await ids('added_tokens.json') : {};
  const flags = { single_word: false, lstrip: false, rstrip: false, normalized: false, special: true };
  const added = new Map(Object.entries(extra).map(([content, id]) => [id, { ...flags, id, content }]));
  for (const [id, entry] of Object.entries(parsed.data.added_tokens_decoder))
    added.set(Number(id), { ...flags, ...entry, id: Number(id) });
  const byteLevel = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: false, use_regex: false };
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: [...added.values()].sort((a, b) => a.id - b.id),
    normalizer: { type: 'NFC' },
    pre_tokenizer: {
      type: 'Sequence',
      pretokenizers: [
        { type: 'Split', pattern: { Regex: qwenPieces }, behavior: 'Isolated', invert: false },
        byteLevel,
      ],
    },
    post_processor: null,
    decoder: byteLevel,
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: '',
      end_of_word_suffix: '',
      fuse_unk: false,
      byte_fallback: false,
      vocab: vocabulary,
      merges,
    },
  };
}
