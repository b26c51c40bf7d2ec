import { type Checkpoint, writeCheckpoint } from '../../src/model/checkpoint.ts';
import { characterTokenizer, Tokenizer } from '../../src/model/tokenizer.ts';
import { tinyConfig, tinyGeneration, variedWeights } from '../model/tiny-model.ts';

const printable = Array.from({ length: 95 }, (_, index) => String.fromCharCode(32 + index));

/** Writes a tiny model that reads and writes code, badly: a token per character. Without `lines` it knows no line ends. */
export async function writeAsciiModel(folder: string, { lines = true } = {}): Promise<string> {
  const alphabet = lines ? ['\n', ...printable] : printable;
  const config = tinyConfig({ vocab_size: 4 + alphabet.length, max_position_embeddings: 2048 });
  const checkpoint: Checkpoint = {
    config,
    weights: variedWeights(config),
    tokenizer: new Tokenizer(characterTokenizer(alphabet.join(''))),
    generation: { ...tinyGeneration, tokens_per_step: 8 },
  };
  await writeCheckpoint(folder, checkpoint);
  return folder;
}
