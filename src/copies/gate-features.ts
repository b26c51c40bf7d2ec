import type { CopyCandidate } from './find-copies.ts';

/** An alternative of the model. */
export interface ModelProposal {
  readonly text: string;
  /** Mean probability of its tokens. */
  readonly confidence: number;
}

/** A text that may be suggested: a copy, an alternative of the model, or both. */
export interface Proposal {
  readonly text: string;
  readonly copy: CopyCandidate | null;
  readonly model: ModelProposal | null;
}

/** What is known at a place when its proposals are judged. */
export interface GatePlace {
  readonly prefix: string;
  readonly suffix: string;
  readonly copies: readonly CopyCandidate[];
  /** The model's alternatives, in the order in which they would be shown; null: the model has not answered yet. */
  readonly alternatives: readonly ModelProposal[] | null;
}

/** Characters on each side of the cursor whose names count as known. */
const reach = 20_000;

/** What the features of all proposals of a place have in common. */
export interface PlaceContext extends GatePlace {
  readonly names: ReadonlySet<string>;
  readonly lineBefore: string;
  readonly neighbours: readonly string[];
}

export function placeContext(place: GatePlace): PlaceContext {
  const { prefix, suffix } = place;
  const begin = prefix.lastIndexOf('\n') + 1;
  const near = `${prefix.slice(-reach)}\n${suffix.slice(0, reach)}`;
  const lineAbove = prefix.slice(0, begin).trimEnd().split('\n').at(-1) as string;
  const below = suffix.slice(0, 2000).split('\n').slice(1);
  const lineBelow = below.find((line) => line.trim() !== '') ?? '';
  return {
    ...place,
    names: new Set(near.match(word)),
    lineBefore: prefix.slice(begin),
    neighbours: [lineAbove.trim(), lineBelow.trim()],
  };
}

const word = /[A-Za-z_$][\w$]*/g;

/** The first line with text: several lines are judged by it. */
export const judgedLine = (text: string): string => /^\s*([^\n]*)/.exec(text)![1]!.trimEnd();

const isFirst = (model: ModelProposal | null, alternatives: GatePlace['alternatives']): boolean =>
  model !== null && model === alternatives?.[0];
const firstWord = (text: string): string => /^\s*([\w$]+|[^\w\s]+)/.exec(text)?.[1] ?? '';
const log = (value: number): number => Math.log1p(value);
const logit = (probability: number): number => {
  const inside = Math.min(0.999, Math.max(0.001, probability));
  return Math.log(inside / (1 - inside));
};

type Feature = (proposal: Proposal, place: PlaceContext) => number;
const ofCopy =
  (value: (copy: CopyCandidate, place: PlaceContext, text: string) => number): Feature =>
  ({ copy, text }, place) =>
    copy ? value(copy, place, text) : 0;
const ofModel =
  (value: (model: ModelProposal, place: PlaceContext, text: string) => number): Feature =>
  ({ model, text }, place) =>
    model ? value(model, place, text) : 0;

/** Share of the names in a text that do not occur near the cursor. */
function unknownNames(text: string, names: ReadonlySet<string>): number {
  const own = judgedLine(text).match(word) ?? [];
  return own.length === 0 ? 0 : own.filter((name) => !names.has(name)).length / own.length;
}

/** Opening minus closing brackets. */
function depthOf(text: string): number {
  let depth = 0;
  for (const character of text) depth += '([{'.includes(character) ? 1 : ')]}'.includes(character) ? -1 : 0;
  return depth;
}

/**
 * The features of the gate, by name. Lengths are in bytes or characters and enter as logarithms; the others are shares, counts and
 * yes (1) or no (0). A feature of copies is 0 for a text without a copy, and one of the model is 0 for a text that it did not write.
 */
const gateFeatures: Readonly<Record<string, Feature>> = {
  copy: ofCopy(() => 1),
  matched: ofCopy(({ matched }) => log(matched)),
  ahead: ofCopy(({ matched, rival }) => log(matched) - log(rival)),
  following: ofCopy(({ following }) => log(following)),
  share: ofCopy(({ share }) => share),
  topShare: ofCopy(({ topShare }) => topShare),
  count: ofCopy(({ count }) => log(count)),
  files: ofCopy(({ files }) => log(files)),
  inDocument: ofCopy(({ inDocument }) => Number(inDocument)),
  closeBy: ofCopy(({ distance }) => (distance === null ? 0 : 1 / (1 + log(distance)))),
  isNear: ofCopy(({ isNear }) => Number(isNear)),
  unknownNames: ofCopy((_, { names }, text) => unknownNames(text, names)),
  copyLength: ofCopy((_copy, _place, text) => log(judgedLine(text).length)),
  copyAtLineStart: ofCopy((_, { lineBefore }) => Number(lineBefore.trim() === '')),
  copyBefore: ofCopy((_, { lineBefore }) => log(lineBefore.trim().length)),
  repeatsNeighbour: ofCopy((_, { neighbours, lineBefore }, text) => {
    const line = (lineBefore + judgedLine(text)).trim();
    return Number(line.length > 3 && neighbours.includes(line));
  }),
  opens: ofCopy((_, { lineBefore }, text) => Number(depthOf(lineBefore + judgedLine(text)) > 0)),
  closes: ofCopy((_, { lineBefore }, text) => Number(depthOf(lineBefore + judgedLine(text)) < 0)),
  modelAgrees: ({ copy, model }) => Number(copy !== null && model !== null),
  modelDiffers: ({ copy, model }, { alternatives }) => Number(copy !== null && model === null && alternatives !== null),
  sureOfOther: ({ copy, model }, { alternatives }) =>
    copy && !model && alternatives?.[0] ? logit(alternatives[0].confidence) : 0,
  sameBeginning: ({ copy, model, text }, { alternatives }) =>
    Number(
      copy !== null && !model && alternatives?.[0] !== undefined && firstWord(alternatives[0].text) === firstWord(text),
    ),
  sureToo: ({ copy, model }) => (copy && model ? logit(model.confidence) : 0),
  model: ({ copy, model }) => Number(model !== null && copy === null),
  modelSure: ({ copy, model }) => (model && !copy ? logit(model.confidence) : 0),
  modelAgreesFirst: ({ copy, model }, { alternatives }) => Number(copy !== null && isFirst(model, alternatives)),
  modelIsFirst: ({ copy, model }, { alternatives }) => Number(copy === null && isFirst(model, alternatives)),
  modelLength: ofModel((_model, _place, text) => log(judgedLine(text).length)),
  modelUnknownNames: ofModel((_, { names }, text) => unknownNames(text, names)),
  modelInWord: ofModel((_, { lineBefore }) => Number(/[\w$]$/.test(lineBefore))),
  modelOpens: ofModel((_, { lineBefore }, text) => Number(depthOf(lineBefore + judgedLine(text)) > 0)),
  modelCloses: ofModel((_, { lineBefore }, text) => Number(depthOf(lineBefore + judgedLine(text)) < 0)),
  copiesDiffer: ({ copy, model }, { copies }) => (model && !copy ? log(copies[0]?.matched ?? 0) : 0),
  copiesAgree: ({ copy, model }, { copies }) => (model && !copy ? (copies[0]?.topShare ?? 0) : 0),
};

export const gateFeatureNames: readonly string[] = Object.keys(gateFeatures);

/** The features of a proposal, in the order of `gateFeatureNames`. */
export const featuresOf = (proposal: Proposal, place: PlaceContext): number[] =>
  Object.values(gateFeatures).map((feature) => feature(proposal, place));
