import { type Corpus, listedPackages, type SourceFile } from '../code/corpus.ts';
import type { FinishedTraining } from '../publishing-run.ts';
import { listedPythonPackages } from './conversion-corpus.ts';
import type { ConversionRequest } from './settings.ts';

interface CardContents extends FinishedTraining {
  readonly request: ConversionRequest;
  readonly corpus: Corpus;
}

/** The card of a converted model's adapter: base, data, the command that trains it again, settings and held-out losses. */
export function conversionCard({ request, corpus, done, evaluation, configuration }: CardContents): string {
  const { from, seed, settings } = request;
  const { device, steps, stepsChanged = [] } = configuration;
  const changes = stepsChanged.map(
    ({ at, to }) => `\n\nstopped after step ${at}, and then\n\n    unmask pretrain --resume RUN --steps ${to}`,
  );
  const megabytes = (part: readonly SourceFile[]) =>
    (part.reduce((sum, { text }) => sum + text.length, 0) / 1e6).toFixed(1);
  const heldOut = [...listedPackages, ...listedPythonPackages].filter(({ part }) => part === 'validation');
  const metrics = Object.entries(evaluation.metrics).map(
    ([name, { value, low, high }]) => `| ${name} | ${value.toFixed(3)} | ${low.toFixed(3)} to ${high.toFixed(3)} |`,
  );
  return `---
base_model: ${from}
library_name: peft
tags: [masked-diffusion, fill-in-the-middle]
---

# ${from}, converted to denoise and to fill gaps

An adapter of rank ${settings.lora_r} on all projections of ${from}, with trained rows for two reserved tokens (mask and end of the
middle). The licence of the base applies to the adapter. The context is read causally, suffix first; a canvas of masks after it
attends to the context and to itself.

## Data

${corpus.training.length} source files (${megabytes(corpus.training)} MB) of npm and PyPI packages in TypeScript, JavaScript and Python. Held out: ${heldOut
    .map(({ name, version, license }) => `${name} ${version} (${license})`)
    .join(', ')}.

## Training

${done.step} steps, ${done.num_tokens.toLocaleString('en-US')} tokens (canvases included), ${(done.seconds / 60).toFixed(1)} minutes on ${device.engine}/${device.device}, seed ${seed}. Made by

    unmask pretrain --recipe convert --from ${from} --model OUT --steps ${stepsChanged[0]?.from ?? steps} --seed ${seed}${changes.join('')}

| setting | value |
|---|---|
${Object.entries(settings)
  .map(([name, value]) => `| \`${name}\` | ${value} |`)
  .join('\n')}

## Losses

Mean probability of a token in ${evaluation.n} rows of held-out packages, from the left and in canvases of the largest block size.

| metric | value | interval |
|---|---|---|
${metrics.join('\n')}
`;
}
