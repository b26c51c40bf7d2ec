import { readFile } from 'node:fs/promises';
import { bundledCodeModel } from '../../catalogue/find-model.ts';
import { resolveModel } from '../../catalogue/resolve-model.ts';
import { shownAlternatives } from '../../infilling/infilling.ts';
import { assertDenoises } from '../../model/config.ts';
import { loadForInference } from '../../model/load-served.ts';
import { Interrupted, messageOf, UsageError } from '../../platform/errors.ts';
import { completeOnce } from '../../runtime/complete-once.ts';
import { recordFrames } from '../../runtime/frame.ts';
import { hasGrammar, languageOf } from '../../syntax/trees.ts';
import { type AddCommand, type EngineOptions, engineOf, wholeNumber, withEngine } from '../command.ts';
import { frameLines } from '../denoising-view.ts';

interface CompleteOptions extends EngineOptions {
  readonly prefixFile: string;
  readonly suffixFile?: string;
  readonly language?: string;
  readonly model: string;
  readonly seed: number;
  readonly frames?: boolean;
}

export function addComplete(add: AddCommand): void {
  withEngine(
    add<CompleteOptions>(
      'complete',
      'Complete a text as an editor would show it',
      async (options, { signal, progress }) => {
        const text = {
          prefix: await read('--prefix-file', options.prefixFile),
          suffix: options.suffixFile === undefined ? '' : await read('--suffix-file', options.suffixFile),
        };
        const language = options.language ?? languageOf(options.prefixFile) ?? '';
        if (options.language !== undefined && !hasGrammar(language))
          progress(`There is no grammar for --language ${language}, so syntax errors of completions are not counted.`);
        const resolved = await resolveModel(options.model);
        assertDenoises(resolved.config);
        const model = await loadForInference(await engineOf(options), resolved, progress);
        const { frames, watch } = recordFrames(model, shownAlternatives.alternatives);
        const begin = performance.now();
        const {
          alternative,
          index: place,
          forwards,
        } = await completeOnce(model, text, language, {
          seed: options.seed,
          ...(options.frames ? { watch } : {}),
          checkCancelled: () => {
            if (signal.aborted) throw new Interrupted('The completion was stopped.');
          },
        });
        const seconds = (performance.now() - begin) / 1000;
        const { discardedBy } = alternative;
        if (discardedBy !== null) progress(`An editor would not show this completion: ${discardedBy}.`);
        const document = {
          text: alternative.text,
          confidence: alternative.confidence,
          forwards,
          seconds,
          discarded_by: discardedBy,
          ...(options.frames ? { frames: frames[place] } : {}),
        };
        const lines = options.frames ? frameLines(frames[place] ?? []) : [];
        return { document, lines, content: alternative.text };
      },
    ),
  )
    .requiredOption('--prefix-file <file>', 'text before the cursor')
    .option('--suffix-file <file>', 'text after the cursor')
    .option('--language <id>', 'language id of the text, as in VS Code (default: by the name of --prefix-file)')
    .option('--model <model>', 'model: a name, a checkpoint or adapter folder, or a run directory', bundledCodeModel)
    .addOption(wholeNumber('--seed <seed>', 'random seed', 0).default(0))
    .option('--frames', 'also print every denoising step');
}

async function read(option: string, file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    throw new UsageError(`${option} ${file} cannot be read (${messageOf(error)}); give a text file.`);
  }
}
