import { resolveModel } from '../../catalogue/resolve-model.ts';
import { openCheckpoint } from '../../model/checkpoint.ts';
import { LanguageModel } from '../../model/language-model.ts';
import { UsageError } from '../../platform/errors.ts';
import { type AddCommand, type EngineOptions, engineOf, withEngine } from '../command.ts';

interface LogitsOptions extends EngineOptions {
  readonly model: string;
  readonly tokens: string;
}

export function addLogits(add: AddCommand): void {
  withEngine(
    add<LogitsOptions>('logits', 'Print the raw logits for some tokens, to check a checkpoint', async (options) => {
      const checkpoint = await openCheckpoint(await resolveModel(options.model));
      const size = checkpoint.config.vocab_size;
      const tokens = options.tokens.split(',').map((text) => {
        const token = Number(text);
        if (text.trim() === '' || !Number.isInteger(token) || token < 0 || token >= size)
          throw new UsageError(`--tokens: ${text || 'an empty place'} is not a token id from 0 to ${size - 1}.`);
        return token;
      });
      const model = await LanguageModel.load(await engineOf(options), checkpoint);
      const flat = [...(await model.rawLogits(Int32Array.from(tokens)))];
      const logits = tokens.map((_, index) => flat.slice(index * size, (index + 1) * size));
      return { document: { logits }, lines: logits.map((row) => row.map((value) => value.toFixed(5)).join(' ')) };
    })
      .requiredOption('--model <model>', 'model: a name, a checkpoint or adapter folder, or a run directory')
      .requiredOption('--tokens <ids>', 'token ids, separated by commas'),
  );
}
