import { UserError } from '../../platform/errors.ts';
import { qwenPieces } from '../byte-level-tokenizer.ts';
import { byteLevel, bytePairJson, inSequence, splitAt } from '../byte-pair-json.ts';
import { shown } from '../safetensors-header.ts';
import type { TokenizerFiles } from '../tokenizer.ts';
import type { Metadata } from './metadata.ts';

/** The normalization of a text and its split into pieces. Merges apply inside a piece. */
interface Cutting {
  readonly normalizer: object | null;
  readonly pre_tokenizer: object;
  /** See `BytePairTokenizer.ignoreMerges`. */
  readonly ignore_merges?: boolean;
}

const gpt2: Cutting = { normalizer: null, pre_tokenizer: byteLevel({ useRegex: true }) };
/** As in GPT-2, but every digit is a piece: StarCoder, SmolLM, and Granite's code models. */
const digitsApart: Cutting = {
  normalizer: null,
  pre_tokenizer: inSequence(splitAt('\\p{N}'), byteLevel({ useRegex: true })),
};
const qwen2: Cutting = {
  normalizer: { type: 'NFC' },
  pre_tokenizer: inSequence(splitAt(qwenPieces), byteLevel()),
};
/** As in Qwen2, but up to three digits are one piece, and text is not normalized. */
const llama3: Cutting = {
  normalizer: null,
  pre_tokenizer: inSequence(splitAt(qwenPieces.replace('|\\p{N}|', '|\\p{N}{1,3}|')), byteLevel()),
  ignore_merges: true,
};

/** The supported splits by their name in llama.cpp (`tokenizer.ggml.pre`). */
const cuttings: ReadonlyMap<string, Cutting> = new Map([
  ['gpt-2', gpt2],
  ['smollm', digitsApart],
  ['starcoder', digitsApart],
  ['refact', digitsApart],
  ['qwen2', qwen2],
  ['deepseek-r1-qwen', qwen2],
  ['llama-bpe', llama3],
  ['llama3', llama3],
  ['llama-v3', llama3],
]);

/** Token types in `tokenizer.ggml.token_type`. */
const controlToken = 3;
const userDefinedToken = 4;

/** Names of special tokens in `tokenizer_config.json`, mapped to the metadata keys of their ids. */
const namedTokens = {
  bos_token: 'tokenizer.ggml.bos_token_id',
  eos_token: 'tokenizer.ggml.eos_token_id',
  pad_token: 'tokenizer.ggml.padding_token_id',
  unk_token: 'tokenizer.ggml.unknown_token_id',
} as const;

/**
 * Builds `tokenizer.json` and `tokenizer_config.json` for a GGUF file with a byte-level byte-pair encoding, which all supported
 * families use. Throws a `UserError` if the file has another tokenizer or an unknown way to split text.
 */
export function ggufTokenizer(metadata: Metadata): TokenizerFiles {
  const { file } = metadata;
  const kind = metadata.text('tokenizer.ggml.model');
  if (kind !== 'gpt2') throw metadata.unsupported('tokenizer.ggml.model');
  const name = metadata.text('tokenizer.ggml.pre');
  const cutting = cuttings.get(name ?? '');
  if (!cutting)
    throw new UserError(
      `${file} has ${name === undefined ? 'no tokenizer.ggml.pre' : `tokenizer.ggml.pre = ${shown(name)}`}, and text that is cut as ${[...cuttings.keys()].join(', ')} do is read; choose another model.`,
    );
  const tokens = metadata.texts('tokenizer.ggml.tokens');
  const kinds = metadata.wholes('tokenizer.ggml.token_type');
  if (kinds.length !== tokens.length)
    throw new UserError(
      `${file} has ${tokens.length} tokens and ${kinds.length} kinds of tokens; convert the model again.`,
    );
  const vocab = new Map(tokens.map((token, id) => [token, id]));
  if (vocab.size < tokens.length) {
    const twice = tokens.find((token, id) => vocab.get(token) !== id) as string;
    throw new UserError(`${file} has the token ${shown(twice)} twice; convert the model again.`);
  }
  const addedTokens = tokens.flatMap((content, id) => {
    const special = kinds[id] === controlToken;
    return special || kinds[id] === userDefinedToken ? [{ id, content, special }] : [];
  });
  const named: Record<string, string> = {};
  for (const [token, key] of Object.entries(namedTokens)) {
    const id = metadata.whole(key);
    if (id === undefined) continue;
    if (tokens[id] === undefined) throw metadata.unsupported(key);
    named[token] = tokens[id];
  }
  const beginsWith = metadata.flag('tokenizer.ggml.add_bos_token') ? named.bos_token : undefined;
  const template = metadata.text('tokenizer.chat_template');
  const tokenizer = bytePairJson({
    addedTokens,
    normalizer: cutting.normalizer,
    preTokenizer: cutting.pre_tokenizer,
    postProcessor: beginsWith === undefined ? null : startingWith(beginsWith, vocab.get(beginsWith) as number),
    decoder: byteLevel({ addPrefixSpace: true, useRegex: true }),
    vocab: Object.fromEntries(vocab),
    merges: metadata.texts('tokenizer.ggml.merges').map((merge) => pair(merge, metadata)),
    ignoreMerges: cutting.ignore_merges ?? false,
  });
  return {
    tokenizer,
    config: {
      tokenizer_class: 'PreTrainedTokenizerFast',
      clean_up_tokenization_spaces: false,
      ...named,
      added_tokens_decoder: Object.fromEntries(tokenizer.added_tokens.map(({ id, ...entry }) => [id, entry])),
      ...(template === undefined ? {} : { chat_template: template }),
    },
  };
}

/** Splits a merge into its two tokens at the space. The search skips the first character, which belongs to the first token. */
function pair(merge: string, { file }: Metadata): readonly [string, string] {
  const at = merge.indexOf(' ', 1);
  if (at === -1 || at === merge.length - 1)
    throw new UserError(`${file} has the merge ${shown(merge)}, which is not of two tokens; convert the model again.`);
  return [merge.slice(0, at), merge.slice(at + 1)];
}

const startingWith = (token: string, id: number) => ({
  type: 'TemplateProcessing',
  single: [{ SpecialToken: { id: token, type_id: 0 } }, { Sequence: { id: 'A', type_id: 0 } }],
  pair: [
    { SpecialToken: { id: token, type_id: 0 } },
    { Sequence: { id: 'A', type_id: 0 } },
    { SpecialToken: { id: token, type_id: 1 } },
    { Sequence: { id: 'B', type_id: 1 } },
  ],
  special_tokens: { [token]: { id: token, ids: [id], tokens: [token] } },
});
