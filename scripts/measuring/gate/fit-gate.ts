/**
 * Fits the gate of suggestions (`src/copies/gate.ts`). That of the bundled code model is written to `src/copies/gate-weights.json`, and
 * that of another model into its folder, as `suggestion_gate` of `generation_config.json`. GAPS limits the gaps of each package.
 *
 *     node --import tsx scripts/measuring/gate/fit-gate.ts [MODEL [GAPS]]
 *
 * The gaps are ends of lines in npm packages that neither the bundled model was trained on nor the documentation measures
 * (`packages.json`). The model's alternatives are kept in the data home's `cache/gate`, so that a second run takes a minute. It prints
 * what the gate reaches on each package if it is fitted on the others.
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { bundledCodeModel } from '../../../src/catalogue/find-model.ts';
import { resolveModel } from '../../../src/catalogue/resolve-model.ts';
import { type GateLevel, gateFeatureNames, proposalsOf } from '../../../src/copies/gate.ts';
import { featuresOf, placeContext } from '../../../src/copies/gate-features.ts';
import { chooseEngine } from '../../../src/engine/devices.ts';
import type { InfillingItem } from '../../../src/infilling/infilling.ts';
import { isRight, pointOf } from '../../../src/infilling/workspace-comparison.ts';
import { loadForInference } from '../../../src/model/load-served.ts';
import { dataHome, readJson, writeJson } from '../../../src/platform/files.ts';
import { replaceWithDigest } from '../../../src/platform/folder-digests.ts';
import type { TracedAlternative } from '../../../src/protocol/runtime.ts';
import { usableProposals } from '../../../src/runtime/choose-suggestions.ts';
import { alternativesOnce } from '../../../src/runtime/complete-once.ts';
import { copiesFor, gapOf, indexOf } from '../../../src/runtime/workspace-answers.ts';
import { infillingItems } from '../../../src/training/code/infilling-items.ts';
import { readSources } from '../../../src/training/code/source-files.ts';
import { type Example, fitLogistic, type LogisticModel, predict } from './logistic-regression.ts';
import { packageFolder } from './package-folder.ts';
import packages from './packages.json' with { type: 'json' };

const [modelName = bundledCodeModel, mostGaps = '200'] = process.argv.slice(2);
/** Seed of the gaps. */
const seed = 3;
/** The precision that each level aims at. */
const aims: Readonly<Record<GateLevel, number>> = { eager: 0.4, balanced: 0.5, careful: 0.7 };

interface Candidate extends Example {
  readonly text: string;
}

/** The candidates of one gap, without the model's alternatives and with them. */
interface FittedGap {
  readonly spec: string;
  readonly copies: readonly Candidate[];
  readonly both: readonly Candidate[];
}

const gaps: FittedGap[] = [];
for (const listed of packages.fit) gaps.push(...(await gapsOf(listed)));
for (const { spec } of packages.fit) report(spec, await answersTo(spec));
const answers = (await Promise.all(packages.fit.map(({ spec }) => answersTo(spec)))).flat();
const thresholds = Object.fromEntries(Object.entries(aims).map(([level, aim]) => [level, thresholdFor(aim, answers)]));
const { bias, weights } = fitLogistic(gaps.flatMap(({ copies, both }) => [...copies, ...both]));
const document = {
  about: `Fitted by scripts/measuring/gate/fit-gate.ts for ${modelName} on ${gaps.length} gaps of ${packages.fit.map(({ spec }) => spec).join(', ')}. The thresholds are those at which, on each package with weights fitted on the others, ${Object.entries(
    aims,
  )
    .map(([level, aim]) => `${aim} (${level})`)
    .join(', ')} of the shown suggestions are right.`,
  bias: rounded(bias),
  features: Object.fromEntries(gateFeatureNames.map((name, index) => [name, rounded(weights[index]!)])),
  thresholds,
};
if (modelName === bundledCodeModel)
  await writeJson(path.join(import.meta.dirname, '..', '..', '..', 'src', 'copies', 'gate-weights.json'), document);
else {
  const { folder } = await resolveModel(modelName);
  const settings = (await readJson(path.join(folder, 'generation_config.json'))) as object;
  await replaceWithDigest(folder, 'generation_config.json', { ...settings, suggestion_gate: document });
}
process.exit(0);

async function gapsOf({ spec, folder, gaps: count }: (typeof packages.fit)[number]): Promise<FittedGap[]> {
  const files = await readSources(path.join(await packageFolder(spec), folder));
  const items = await infillingItems(files, ['line'], Math.min(count, Number(mostGaps)), seed);
  const alternatives = await alternativesIn(spec, items);
  const index = indexOf(files.map(({ path: name, text }) => ({ name, text })));
  const found: FittedGap[] = [];
  for (const [place, item] of items.entries()) {
    const copies = await copiesFor(index, item);
    const candidates = (made: readonly TracedAlternative[] | null): Candidate[] => {
      const usable = usableProposals(gapOf(item), copies, made);
      const context = placeContext({ ...gapOf(item).text, ...usable });
      return proposalsOf(usable).map((proposal) => ({
        text: proposal.text,
        features: featuresOf(proposal, context),
        isPositive: isRight(proposal.text, item.middle),
      }));
    };
    found.push({ spec, copies: candidates(null), both: candidates(alternatives[place]!) });
  }
  return found;
}

/** The model's alternatives in each gap, made once. */
async function alternativesIn(spec: string, items: readonly InfillingItem[]): Promise<TracedAlternative[][]> {
  const folder = path.join(dataHome(), 'cache', 'gate');
  const prefix = modelName === bundledCodeModel ? '' : `${path.basename(modelName)}-`;
  const file = path.join(folder, `${prefix}${spec.replace('/', '-')}-${items.length}-${seed}.json`);
  const kept = await readFile(file, 'utf8').catch(() => null);
  if (kept !== null) return JSON.parse(kept) as TracedAlternative[][];
  const engine = await chooseEngine({ engine: 'onnx', device: 'cpu' });
  const model = await loadForInference(engine, await resolveModel(modelName));
  const made: TracedAlternative[][] = [];
  for (const item of items) {
    if (made.length % 20 === 0) console.error(`${spec}: ${made.length} of ${items.length}`);
    made.push(await alternativesOnce(model, gapOf(item)));
  }
  await model.dispose();
  await mkdir(folder, { recursive: true });
  await writeFile(file, JSON.stringify(made));
  return made;
}

/** The first candidate in each gap of a package, by a gate that is fitted on the other packages. */
async function answersTo(spec: string) {
  const model = fitLogistic(
    gaps.filter((gap) => gap.spec !== spec).flatMap(({ copies, both }) => [...copies, ...both]),
  );
  return gaps.filter((gap) => gap.spec === spec).map(({ both }) => first(model, both));
}

function first(model: LogisticModel, candidates: readonly Candidate[]) {
  const judged = candidates.map(({ text, features, isPositive }) => ({
    text,
    probability: predict(model, features),
    milliseconds: 0,
    isRight: isPositive,
  }));
  return judged.reduce((best, one) => (one.probability > best.probability ? one : best), {
    text: '',
    probability: 0,
    milliseconds: 0,
    isRight: false,
  });
}

type First = ReturnType<typeof first>;

function pointAt(answers: readonly First[], threshold: number) {
  const right = answers.map((answer) => answer.isRight);
  return pointOf(answers, right, threshold);
}

/** The lowest threshold at which at least a share `aim` of the shown answers is right. */
function thresholdFor(aim: number, answers: readonly First[]): number {
  const thresholds = answers.map(({ probability }) => probability).sort((a, b) => a - b);
  const found = thresholds.find((threshold) => (pointAt(answers, threshold).precision ?? 0) >= aim);
  return rounded(found ?? 1);
}

function report(spec: string, answers: readonly First[]): void {
  const right = answers.filter((answer) => answer.isRight).length / answers.length;
  const { coverage } = pointAt(answers, thresholdFor(0.5, answers));
  console.log(`${spec}: right ${right.toFixed(3)}; coverage ${coverage.toFixed(3)} at a precision of 0.5`);
}

function rounded(value: number): number {
  return Number(value.toFixed(4));
}
