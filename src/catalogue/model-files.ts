import { z } from 'zod';
import { UserError } from '../platform/errors.ts';
import { isModelName } from '../platform/model-name.ts';

/** Maps tensor names to files if the weights are split into several files. */
export const weightIndex = 'model.safetensors.index.json';
const weights = 'model.safetensors';

/** The configuration and the weights of an adapter in PEFT's layout. */
export const adapterConfig = 'adapter_config.json';
const adapterWeights = 'adapter_model.safetensors';

/** Other files of a model, all of which are read as text. Programs and pickles are excluded. */
const textFiles =
  /^(config|generation_config|tokenizer|tokenizer_config|special_tokens_map|added_tokens|vocab|chat_template)\.json$|^merges\.txt$|^chat_template\.jinja$|^(README|LICEN[CS]E|NOTICE)(\.(md|txt))?$/;

const index = z.object({ weight_map: z.record(z.string(), z.string()) });

/**
 * Selects the files that belong to a model, or to an adapter if there is no `config.json`. `readIndex` reads the index if the
 * weights are split into several files.
 *
 * @param where the folder or repository, for messages
 * @throws UserError if `config.json` or the safetensors weights are missing
 */
export async function modelFiles<File extends { readonly name: string }>(
  files: readonly File[],
  where: string,
  readIndex: (file: File) => Promise<unknown>,
): Promise<File[]> {
  const find = (name: string) => files.find((file) => file.name === name);
  if (!find('config.json') && find(adapterConfig)) return adapterFiles(files, where);
  if (!find('config.json')) throw new UserError(`${where} has no config.json, so it is not a model.`);
  // If there is a single file of weights, an index is a leftover and is ignored.
  const map = find(weights) ? undefined : find(weightIndex);
  const names = map ? [weightIndex, ...shards(await readIndex(map), where)] : [weights];
  const found = names.map((name) => {
    const file = find(name);
    if (file) return file;
    if (map) throw new UserError(`${where} is incomplete: ${name} is missing, which ${weightIndex} names.`);
    throw new UserError(
      `${where} has no weights as safetensors (${weights}); other formats can contain programs and are not loaded.`,
    );
  });
  return [...files.filter(({ name }) => textFiles.test(name)), ...found];
}

function adapterFiles<File extends { readonly name: string }>(files: readonly File[], where: string): File[] {
  if (!files.some(({ name }) => name === adapterWeights))
    throw new UserError(
      `${where} has an adapter without weights as safetensors (${adapterWeights}); other formats can contain programs and are not loaded.`,
    );
  // `base_model.json` is Unmask's own record of the base (`src/model/adapter-folder.ts`).
  const own = [adapterConfig, adapterWeights, 'base_model.json'];
  return files.filter(({ name }) => textFiles.test(name) || own.includes(name));
}

/** The files that an index names, which must be safetensors files in the same folder. */
function shards(value: unknown, where: string): string[] {
  const parsed = index.safeParse(value);
  const names = [...new Set(Object.values(parsed.data?.weight_map ?? {}))].sort();
  const foreign = names.find((name) => !isModelName(name) || !name.endsWith('.safetensors'));
  if (names.length === 0 || foreign !== undefined)
    throw new UserError(
      `${where}: ${weightIndex} names ${foreign === undefined ? 'no files' : JSON.stringify(foreign)}, but it must name safetensors files in the same folder.`,
    );
  return names;
}
