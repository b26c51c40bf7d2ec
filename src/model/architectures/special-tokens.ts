import { UserError } from '../../platform/errors.ts';
import type { Description } from './description.ts';
import type { PublishedConfig } from './published-config.ts';

type Kind = 'mask' | 'eos' | 'pad';
type Json = Readonly<Record<string, unknown>>;

/** The special tokens of a published model. */
export interface PublishedTokens {
  /** Undefined if no file names one: the model was not trained to denoise. */
  readonly mask: number | undefined;
  readonly eos: number;
  readonly pad: number;
}

/**
 * The ids of a published model's special tokens, from the files of its folder: `*_token_id` of `config.json`, else the
 * token that `tokenizer_config.json` or `special_tokens_map.json` names. Without a padding token, padding uses the end of
 * text, because the model does not see it. Throws a `UserError` if no file names the end of text.
 */
export async function readSpecialTokens(description: Description, config: PublishedConfig): Promise<PublishedTokens> {
  const find = async (kind: Kind) => idInConfig(config, kind) ?? (await idOfNamed(description, kind));
  const mask = await find('mask');
  const eos = await find('eos');
  if (eos === undefined)
    throw new UserError(
      `Neither ${config.file} nor another file of its folder names an end-of-text token. Add its id as eos_token_id to config.json.`,
    );
  return { mask, eos, pad: (await find('pad')) ?? eos };
}

/** Throws a `UserError` where a model that denoises has no mask. */
export function assertHasMask({ file }: PublishedConfig, mask: number | undefined): void {
  if (mask === undefined)
    throw new UserError(
      `Neither ${file} nor another file of its folder names a mask token, which a masked diffusion model has. Add its id as mask_token_id to config.json.`,
    );
}

/** Some models have several ends of text; the first is the one that they are trained with. */
function idInConfig(config: PublishedConfig, kind: Kind): number | undefined {
  const field = `${kind}_token_id`;
  const value = config.get(field);
  const id = Array.isArray(value) ? value[0] : value;
  if (id === undefined) return undefined;
  if (!Number.isSafeInteger(id) || id < 0)
    throw new UserError(
      `${config.file}: ${field} is ${JSON.stringify(value)}, but it must be a token's id; restore the file.`,
    );
  return id as number;
}

/** The id of the token that the tokenizer's files name. */
async function idOfNamed(description: Description, kind: Kind): Promise<number | undefined> {
  for (const file of ['tokenizer_config.json', 'special_tokens_map.json']) {
    const named = (await optionalJson(description, file))[`${kind}_token`];
    const token = typeof named === 'string' ? named : (named as { content?: unknown } | null | undefined)?.content;
    if (typeof token !== 'string') continue;
    const id = await idOf(description, token);
    if (id === undefined)
      throw new UserError(
        `${description.location(file)} names ${JSON.stringify(token)} as its ${kind} token, for which no file has an id; state it as ${kind}_token_id in config.json.`,
      );
    return id;
  }
  return undefined;
}

async function idOf(description: Description, token: string): Promise<number | undefined> {
  const { added_tokens_decoder: added } = await optionalJson(description, 'tokenizer_config.json');
  for (const [id, entry] of Object.entries((added ?? {}) as Record<string, { content?: unknown } | null>))
    if (entry?.content === token) return Number(id);
  const { added_tokens: list, model } = await optionalJson(description, 'tokenizer.json');
  const found = Array.isArray(list) ? (list as (Json | null)[]).find((entry) => entry?.content === token) : undefined;
  return (
    ownNumber(found ?? undefined, 'id') ??
    ownNumber(await optionalJson(description, 'added_tokens.json'), token) ??
    ownNumber((model as Json | null | undefined)?.vocab, token)
  );
}

function ownNumber(table: unknown, key: string): number | undefined {
  const value = typeof table === 'object' && table && Object.hasOwn(table, key) ? (table as Json)[key] : undefined;
  return typeof value === 'number' ? value : undefined;
}

async function optionalJson(description: Description, name: string): Promise<Json> {
  const content = await description.read(name);
  return typeof content === 'object' && content !== null ? (content as Json) : {};
}
