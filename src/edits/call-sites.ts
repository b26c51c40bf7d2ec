import { applyEdit } from '../protocol/text-edit.ts';
import { callsOf, type Parameter, type Signature, signatureAt } from '../syntax/parameters.ts';
import { parseSource } from '../syntax/trees.ts';
import { ageOf, type Candidate, classOf, fromPlace, type Situation } from './situation.ts';

/** Calls that are proposed. */
const mostCalls = 4;

/** A parameter that was added or removed. */
interface SignatureChange {
  readonly signature: Signature;
  readonly index: number;
  readonly added: Parameter | null;
}

/**
 * Calls in the same file of a function that has a parameter more or less than before an edit. A new argument gets the name of its
 * parameter.
 */
export async function proposeCallSites(situation: Situation): Promise<Candidate[]> {
  const { text, root, edit } = situation;
  const change = root && (await signatureChange(situation));
  if (!root || !change) return [];
  const { signature, index, added } = change;
  const before = signature.parameters.length + (added ? -1 : 1);
  if (added && (added.name === null || added.isOptional)) return [];
  const calls = callsOf(root, signature).filter((call) => call.arguments.length === before);
  return fromPlace(calls, edit.start + edit.after.length)
    .slice(0, mostCalls)
    .map((call, order) => {
      const features = [
        added ? 'added' : 'removed',
        ageOf(situation),
        `order ${order}`,
        `calls ${classOf(calls.length)}`,
      ];
      const { name } = signature;
      if (added === null) {
        const removed = call.arguments[index]!;
        const next = call.arguments[index + 1];
        const previous = call.arguments[index - 1];
        const start = next || !previous ? removed.start : previous.end;
        const end = next ? next.start : removed.end;
        return { source: 'call-site', start, end, text: '', label: `Remove the argument of ${name}`, features };
      }
      const next = call.arguments[index];
      const previous = call.arguments[index - 1];
      const start = next ? next.start : previous ? previous.end : call.start;
      const inserted = next ? `${added.name}, ` : previous ? `, ${added.name}` : added.name!;
      return {
        source: 'call-site',
        start,
        end: start,
        text: inserted,
        label: `Pass ${added.name} to ${name}`,
        features,
      };
    })
    .filter(({ start, end }) => start <= end && end <= text.length) as Candidate[];
}

async function signatureChange({ languageId, text, root, edit }: Situation): Promise<SignatureChange | null> {
  const end = edit.start + edit.after.length;
  const signature = root && signatureAt(root, edit.start, end);
  if (!signature) return null;
  const tree = await parseSource(languageId, applyEdit(text, { start: edit.start, end, text: edit.before }));
  if (!tree) return null;
  try {
    const before = signatureAt(tree.rootNode, edit.start, edit.start + edit.before.length);
    if (!before || before.name !== signature.name) return null;
    const [longer, shorter] =
      signature.parameters.length > before.parameters.length
        ? [signature.parameters, before.parameters]
        : [before.parameters, signature.parameters];
    if (longer.length !== shorter.length + 1) return null;
    const differing = longer.findIndex(({ text: one }, index) => one !== shorter[index]?.text);
    const isRest = longer
      .slice(differing + 1)
      .every(({ text: one }, index) => one === shorter[differing + index]?.text);
    if (!isRest) return null;
    return { signature, index: differing, added: longer === signature.parameters ? longer[differing]! : null };
  } finally {
    tree.delete();
  }
}
