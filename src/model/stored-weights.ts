import { existsSync } from 'node:fs';
import { lstat, realpath } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import { type HostTensor, type Shape, sizeOf, type TensorSource } from '../graph/tensor.ts';
import { UserError } from '../platform/errors.ts';
import { readText } from '../platform/files.ts';
import { duplicateKey } from '../platform/json.ts';
import type { Stored, StoredPart } from './architectures/architecture.ts';
import type { ReadConfig } from './architectures/read-config.ts';
import { allFinite } from './number-formats.ts';
import { SafetensorsFile } from './safetensors.ts';
import { shown } from './safetensors-header.ts';
import { weightShapes } from './transformer.ts';

const singleFile = 'model.safetensors';
const indexFile = 'model.safetensors.index.json';

/** The number of elements of two tensors that are compared at a time. */
const comparedAtATime = 2 ** 18;

/** Whether a tensor is a buffer that older libraries stored. Buffers are ignored, because the configuration determines them. */
const isBuffer = (name: string): boolean => /\.rotary_emb\.inv_freq$/.test(name);

/** The files of a checkpoint's weights: a single file, or the shards that an index names, sorted by name. */
export async function weightFiles(folder: string): Promise<string[]> {
  const index = path.join(folder, indexFile);
  if (existsSync(path.join(folder, singleFile)) || !existsSync(index)) return [path.join(folder, singleFile)];
  const shards = [...new Set((await readIndex(index)).values())].sort();
  for (const shard of shards) await checkShard(folder, index, shard);
  return shards.map((shard) => path.join(folder, shard));
}

/**
 * Opens a checkpoint's weights under Unmask's names. Tensors are read from the files one at a time. Throws a `UserError` if
 * the files are damaged, contradict each other, or do not have exactly the tensors that the configuration requires.
 */
export async function openWeights(folder: string, read: ReadConfig): Promise<TensorSource> {
  const files = await Promise.all((await weightFiles(folder)).map((file) => SafetensorsFile.open(file)));
  const alone = files.length === 1 && files[0]!.file === path.join(folder, singleFile);
  const index = path.join(folder, indexFile);
  const holder = alone ? holdersIn(files) : await indexedHolders(index, files);
  return new StoredWeights(read, holder, alone ? files[0]!.file : index);
}

class StoredWeights implements TensorSource {
  readonly shapes: ReadonlyMap<string, Shape>;
  readonly #stored: ReadonlyMap<string, Stored>;
  /** The file of each tensor. */
  readonly #holder: ReadonlyMap<string, SafetensorsFile>;
  /** The names of a tied head and the embeddings if the file stores both. They must be equal, which the first read checks. */
  #twins: readonly [string, string] | undefined;

  /** @param whole the file that lists all tensors, for messages */
  constructor({ config, architecture }: ReadConfig, holder: ReadonlyMap<string, SafetensorsFile>, whole: string) {
    const storedAs = (name: string, shape: Shape): Stored => {
      const stored = architecture?.stored(config, name, shape) ?? name;
      return typeof stored === 'string' ? { parts: [{ name: stored, shape }], joined: 'rows' } : stored;
    };
    const shapes = weightShapes(config);
    this.shapes = shapes;
    this.#holder = holder;
    this.#stored = new Map([...shapes].map(([name, shape]) => [name, storedAs(name, shape)]));
    const called = new Set<string>();
    for (const { parts } of this.#stored.values())
      for (const part of parts) {
        checkStored(holder.get(part.name), part, whole);
        called.add(part.name);
      }
    const embeddings = 'model.embed_tokens.weight';
    const [head, table] = ['lm_head.weight', embeddings].map(
      (name) => storedAs(name, shapes.get(embeddings) as Shape).parts[0] as StoredPart,
    ) as [StoredPart, StoredPart];
    if (config.tie_word_embeddings && holder.has(head.name)) {
      checkStored(holder.get(head.name), head, whole);
      this.#twins = [head.name, table.name];
      called.add(head.name);
    }
    for (const name of holder.keys())
      if (!called.has(name) && !isBuffer(name))
        throw new UserError(
          `${whole} holds the tensor ${shown(name)} that its config.json does not know; restore both from one checkpoint.`,
        );
  }

  async read(name: string): Promise<HostTensor> {
    await this.#compareTwins();
    const shape = this.shapes.get(name) as Shape;
    const { parts, joined } = this.#stored.get(name) as Stored;
    const data = new Float32Array(sizeOf(shape));
    let done = 0;
    for (const part of parts) {
      const [from, to] = part.rows ?? [0, part.shape[0] ?? 1];
      const width = sizeOf(part.shape.slice(1));
      const file = this.#holder.get(part.name) as SafetensorsFile;
      if (joined === 'rows')
        await file.readInto(part.name, data.subarray(done, done + (to - from) * width), from * width);
      else await readColumns(file, part.name, data, { width, all: shape[1] as number, first: done });
      done += joined === 'rows' ? (to - from) * width : width;
    }
    if (!allFinite(data))
      throw new UserError(
        `${this.#holder.get(parts[0]!.name)!.file}: ${parts.length === 1 ? parts[0]!.name : name} holds values that are not finite; use an earlier checkpoint.`,
      );
    return { shape, data };
  }

  async #compareTwins(): Promise<void> {
    if (!this.#twins) return;
    const [head, table] = this.#twins;
    this.#twins = undefined;
    const [first, second] = [this.#holder.get(head) as SafetensorsFile, this.#holder.get(table) as SafetensorsFile];
    const count = sizeOf(first.tensors.get(head)!.shape);
    const [left, right] = [new Float32Array(comparedAtATime), new Float32Array(comparedAtATime)];
    for (let done = 0; done < count; done += comparedAtATime) {
      const [a, b] = [left.subarray(0, count - done), right.subarray(0, count - done)];
      await first.readInto(head, a, done);
      await second.readInto(table, b, done);
      if (a.some((value, index) => value !== b[index] && !(Number.isNaN(value) && Number.isNaN(b[index]))))
        throw new UserError(
          `${first.file} holds a ${head} that is not the embeddings, which config.json says it is; set tie_word_embeddings to false there if the head is to be used.`,
        );
    }
  }
}

/** Reads a part of a tensor into columns `first` to `first + width` of `data`, whose rows have `all` columns. */
async function readColumns(
  file: SafetensorsFile,
  name: string,
  data: Float32Array,
  { width, all, first }: { width: number; all: number; first: number },
): Promise<void> {
  const part = (await file.read(name)).data as Float32Array;
  for (let row = 0; row * width < part.length; row++)
    data.set(part.subarray(row * width, (row + 1) * width), row * all + first);
}

function checkStored(file: SafetensorsFile | undefined, { name, shape }: StoredPart, whole: string): void {
  if (!file)
    throw new UserError(
      `${whole} lacks the tensor ${shown(name)} that its config.json requires; restore both from one checkpoint.`,
    );
  const found = file.tensors.get(name)!;
  if (String(found.shape) !== String(shape))
    throw new UserError(
      `${file.file}: ${name} is [${found.shape}], but config.json requires [${shape}]; restore both from one checkpoint.`,
    );
  if (found.dtype === 'I32')
    throw new UserError(`${file.file}: ${name} holds whole numbers, but weights must be F32; restore the file.`);
  if (!['F32', 'F16', 'BF16'].includes(found.dtype))
    throw new UserError(
      `${file.file}: ${name} is ${found.dtype}, but only F32, F16 and BF16 are supported; convert the checkpoint.`,
    );
}

function holdersIn(files: readonly SafetensorsFile[]): Map<string, SafetensorsFile> {
  const holder = new Map<string, SafetensorsFile>();
  for (const file of files)
    for (const name of file.tensors.keys()) {
      const other = holder.get(name);
      if (other)
        throw new UserError(
          `${file.file} holds the tensor ${shown(name)} that ${path.basename(other.file)} holds too; download both again.`,
        );
      holder.set(name, file);
    }
  return holder;
}

/** The file of each tensor. Throws if index and shards contradict each other. */
async function indexedHolders(index: string, files: readonly SafetensorsFile[]): Promise<Map<string, SafetensorsFile>> {
  const holder = holdersIn(files);
  const indexed = await readIndex(index);
  for (const [name, shard] of indexed)
    if (path.basename(holder.get(name)?.file ?? '') !== shard)
      throw new UserError(
        `${index} says that ${shown(shard)} holds the tensor ${shown(name)}, which it does not; download both again.`,
      );
  for (const [name, { file }] of holder)
    if (!indexed.has(name))
      throw new UserError(
        `${file} holds the tensor ${shown(name)} that ${indexFile} does not name; download both again.`,
      );
  return holder;
}

const indexSchema = z.looseObject({ weight_map: z.record(z.string(), z.string()) });

/** Reads an index: the file name of the shard of each tensor. */
async function readIndex(file: string): Promise<Map<string, string>> {
  const text = await readText(file);
  const damaged = (why: string) => new UserError(`${file} is not an index of shards (${why}); download it again.`);
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch {
    throw damaged('it is no valid JSON');
  }
  const twice = duplicateKey(text);
  if (twice !== undefined) throw damaged(`it has ${JSON.stringify(twice)} twice`);
  const parsed = indexSchema.safeParse(content);
  if (!parsed.success) throw damaged('it has no weight_map from tensors to files');
  const shards = new Map(Object.entries(parsed.data.weight_map));
  if (shards.size === 0) throw damaged('its weight_map is empty');
  for (const shard of shards.values())
    if (!/^[^/\\:]+\.safetensors$/.test(shard))
      throw damaged(`${JSON.stringify(shard)} is not the name of a safetensors file in the same folder`);
  return shards;
}

/** Throws unless a shard is in the folder or links into the downloader's store, so that an index cannot name any other file. */
async function checkShard(folder: string, index: string, shard: string): Promise<void> {
  const file = path.join(folder, shard);
  const found = await lstat(file).catch(() => undefined);
  if (!found) throw new UserError(`${index} names ${shown(shard)}, which is not there; download it.`);
  if (!found.isSymbolicLink()) return;
  const [home, target] = [await realpath(folder), await realpath(file).catch(() => '')];
  // In the cache of huggingface_hub, models--NAME/snapshots/REVISION contains links into models--NAME/blobs.
  const store = path.basename(path.dirname(home)) === 'snapshots' ? path.resolve(home, '../../blobs') : home;
  if (path.dirname(target) !== home && path.dirname(target) !== store)
    throw new UserError(`${file} is a link to a place outside its folder; put the file itself there.`);
}
