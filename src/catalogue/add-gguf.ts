import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import path from 'node:path';
import { type GgufCheckpoint, readGgufCheckpoint, writeGgufCheckpoint } from '../model/gguf/checkpoint.ts';
import { GgufFile } from '../model/gguf/gguf-file.ts';
import type { StoredBytes } from '../model/safetensors.ts';
import { size } from '../platform/amounts.ts';
import { Interrupted } from '../platform/errors.ts';
import { withoutControls } from '../protocol/printable.ts';
import { assertFits, type FreeSpace, whenFull } from './disk-space.ts';
import { assertFreeName } from './free-name.ts';
import { Staging } from './staging.ts';

export interface AddGguf {
  /** A GGUF file. */
  readonly file: string;
  /** Where it comes from, for the record of the model; default: its path. */
  readonly source?: string;
  /** The name of the installed model. */
  readonly name: string;
  readonly signal: AbortSignal;
  /** Receives lines about what happens and the progress of the conversion. */
  readonly progress: (line: string) => void;
  /** Called with the complete folder before the model appears; throws if the model is not to be added. */
  readonly accept?: (folder: string) => Promise<void>;
  readonly freeSpace?: FreeSpace;
}

/** The most bytes that configuration, tokenizer and card can take together. */
const metadataBytes = 32e6;

/** Milliseconds between two progress lines. */
const every = 1000;

/**
 * Converts a GGUF file into an installed model in Hugging Face's layout and returns its folder. Tensors are dequantized one
 * after the other, some rows at a time. The model appears in one step. If anything fails, nothing is added.
 */
export async function addGguf({ file, source = file, name, ...rest }: AddGguf): Promise<string> {
  const { signal, progress, accept, freeSpace } = rest;
  await assertFreeName(name);
  return GgufFile.use(file, async (gguf) => {
    const checkpoint = await readGgufCheckpoint(gguf);
    const { bytes, formats } = checkpoint;
    progress(`${name}: ${formats.join(', ')}, ${size(bytes)} as safetensors`);
    const staging = await Staging.open(name);
    try {
      await staging.keep([]);
      await assertFits(staging.files, bytes + metadataBytes, freeSpace);
      const weights = watched(checkpoint.weights, bytes, { signal, progress, file });
      await writeGgufCheckpoint(staging.files, { ...checkpoint, weights }, cardOf(file, name, checkpoint));
      const sha256 = await digestOf(file);
      await accept?.(staging.files);
      return await staging.publish({
        ...{ schema: 1, source: 'gguf', file: source, sha256 },
        formats: [...formats],
        addedAt: new Date().toISOString(),
      });
    } catch (error) {
      await staging.discard();
      throw whenFull(file, error);
    }
  });
}

/** The same weights, with progress lines as they are read. Throws `Interrupted` if the signal is aborted. */
function watched(
  weights: readonly StoredBytes[],
  total: number,
  { signal, progress, file }: Pick<AddGguf, 'signal' | 'progress' | 'file'>,
): StoredBytes[] {
  let [done, reportedAt] = [0, performance.now()];
  return weights.map((weight) => ({
    ...weight,
    async *parts() {
      for await (const part of weight.parts()) {
        if (signal.aborted) throw new Interrupted(`Adding ${file} was stopped; nothing was added.`);
        yield part;
        done += part.length;
        if (performance.now() - reportedAt < every) continue;
        reportedAt = performance.now();
        progress(`${size(done)} of ${size(total)} written`);
      }
    },
  }));
}

/** A card for a converted model, from the metadata of the GGUF file. */
function cardOf(file: string, name: string, { name: title, licence, formats }: GgufCheckpoint): string {
  const line = (text: string) => withoutControls(text).replace(/\s+/g, ' ').trim();
  return [
    ...(licence === undefined ? [] : ['---', `license: ${JSON.stringify(line(licence))}`, '---', '']),
    `# ${line(title ?? name)}`,
    '',
    `Converted from ${line(path.basename(file))} (GGUF, ${formats.join(', ')}). The weights equal the dequantized weights of the file.`,
    '',
  ].join('\n');
}

async function digestOf(file: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const part of createReadStream(file)) hash.update(part as Buffer);
  return hash.digest('hex');
}
