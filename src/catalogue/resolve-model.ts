import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { adapterFiles, isAdapter, readAdapterConfig } from '../model/adapter-folder.ts';
import { inFolder } from '../model/architectures/description.ts';
import { type ReadConfig, readConfig } from '../model/architectures/read-config.ts';
import { convertedConfig } from '../model/conversion.ts';
import { readGeneration } from '../model/generation.ts';
import type { AdapterConfig } from '../model/lora.ts';
import type { ResolvedModel } from '../model/resolved-model.ts';
import { weightFiles } from '../model/stored-weights.ts';
import { size } from '../platform/amounts.ts';
import { messageOf, UserError } from '../platform/errors.ts';
import { assertRegular } from '../platform/files.ts';
import { findModel, modelName } from './find-model.ts';
import { publishedBases } from './published-bases.ts';

/**
 * Finds a model by its name or path and reads its configuration files, each of them once. Commands call this once and
 * pass the result on.
 *
 * @throws UserError if there is no such model, an adapter's base is missing, or a file is damaged or not supported
 */
export async function resolveModel(name: string): Promise<ResolvedModel> {
  const folder = await findModel(name);
  await assertRegularFiles(folder);
  const adapter = (await isAdapter(folder)) ? await readAdapterConfig(folder) : null;
  const base = adapter ? await findBase(folder, adapter) : folder;
  if (base !== folder) await assertRegularFiles(base);
  const read = await readConfigOf(folder, base, adapter);
  const baseDigest = once(async () => digestOf(await weightFiles(base)));
  const precision = adapter?.base.precision ?? 'f32';
  return {
    ...read,
    name: modelName(folder),
    folder,
    base,
    // A converted base is decoded as its adapter says.
    generation: await readGeneration(adapter?.base.conversion ? folder : base, read.config),
    adapter,
    precision,
    digest: adapter
      ? once(async () => adapterDigest(folder, `${await baseDigest()} ${precision}${conversionText(adapter)}`))
      : baseDigest,
    baseDigest,
  };
}

/** What a digest must include because it changes what an adapter computes. */
const conversionText = ({ base: { conversion } }: AdapterConfig): string =>
  conversion ? ` ${JSON.stringify(conversion)}` : '';

/** The configuration of a base, with the changes of an adapter that converts it. */
async function readConfigOf(folder: string, base: string, adapter: AdapterConfig | null): Promise<ReadConfig> {
  const read = await readConfig(inFolder(base));
  const conversion = adapter?.base.conversion;
  return conversion ? { ...read, config: convertedConfig(read.config, conversion, folder) } : read;
}

/** Throws a `UserError` if a model's folder has an entry that is neither a file nor a folder. */
async function assertRegularFiles(folder: string): Promise<void> {
  for (const name of await readdir(folder)) await assertRegular(path.join(folder, name));
}

async function findBase(folder: string, { base: { name } }: AdapterConfig): Promise<string> {
  const base = await findModel(name).catch((error: unknown) => {
    const published = publishedBases.find((one) => one.name === name);
    if (published)
      throw new UserError(
        `${modelName(folder)} needs its base, ${name} (${size(published.bytes)}, licence ${published.licence}); add it with \`unmask models add ${name}\`.`,
      );
    throw new UserError(`The base of the adapter in ${folder} was not found: ${messageOf(error)}`);
  });
  if (await isAdapter(base))
    throw new UserError(
      `The base of the adapter in ${folder} is ${base}, which is an adapter too; merge that one first with \`unmask merge\`.`,
    );
  return base;
}

const adapterDigest = (folder: string, base: string): Promise<string> =>
  digestOf(
    adapterFiles.map((file) => path.join(folder, file)),
    base,
  );

/** The first 16 hexadecimal digits of the SHA-256 of files, followed by a text. */
async function digestOf(files: readonly string[], text = ''): Promise<string> {
  const hash = createHash('sha256');
  for (const file of files) for await (const part of createReadStream(file)) hash.update(part as Buffer);
  return hash.update(text).digest('hex').slice(0, 16);
}

/** Computes a value on the first call and returns the same one afterwards. */
function once<T>(compute: () => Promise<T>): () => Promise<T> {
  let value: Promise<T> | undefined;
  return () => {
    value ??= compute();
    return value;
  };
}
