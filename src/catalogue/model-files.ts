import { z } from 'zod';
import { UserError } from '../platform/errors.ts';
import { isModelName } from '../platform/model-name.ts';

/** The file that says which of several files holds which tensor. */
export const weightIndex = 'model.safetensors.index.json';
const weights = 'model.safetensors';

/** What stands beside weights, and is only ever read as text. Programs and pickles are not among it. */
const beside =
  /^(config|generation_config|tokenizer|tokenizer_config|special_tokens_map|added_tokens|vocab|chat_template)\.json$|^merges\.txt$|^chat_template\.jinja$|^(README|LICEN[CS]E|NOTICE)(\.(md|txt))?$/;

const index = z.object({ weight_map: z.record(z.string(), z.string()) });

/**
 * Of a folder's files those that make up a model. `readIndex` is asked for the weights' index where they are several files.
 * Throws a `UserError` where `where` is no model: without `config.json`, or without weights as safetensors.
 */
export async function modelFiles<File extends { readonly name: string }>(
  files: readonly File[],
  where: string,
  readIndex: (file: File) => Promise<unknown>,
): Promise<File[]> {
  const find = (name: string) => files.find((file) => file.name === name);
  if (!find('config.json')) throw new UserError(`${where} has no config.json, so it is not a model.`);
  // An index beside a single file is left over: that file is what is read.
  const map = find(weights) ? undefined : find(weightIndex);
  const names = map ? [weightIndex, ...shards(await readIndex(map), where)] : [weights];
  const found = names.map((name) => {
    const file = find(name);
    if (file) return file;
    if (map) throw new UserError(`${where} lacks ${name}, which its ${weightIndex} names; it is not whole.`);
    throw new UserError(
      `${where} has no weights as safetensors (${weights}); other formats can hold programs and are not loaded.`,
    );
  });
  return [...files.filter(({ name }) => beside.test(name)), ...found];
}

/** The files that an index names: safetensors beside it, and nothing else. */
function shards(value: unknown, where: string): string[] {
  const parsed = index.safeParse(value);
  const names = [...new Set(Object.values(parsed.data?.weight_map ?? {}))].sort();
  const foreign = names.find((name) => !isModelName(name) || !name.endsWith('.safetensors'));
  if (names.length === 0 || foreign !== undefined)
    throw new UserError(
      `${where}: ${weightIndex} names ${foreign === undefined ? 'no files' : JSON.stringify(foreign)}, where files of safetensors beside it are meant; it is not used.`,
    );
  return names;
}
