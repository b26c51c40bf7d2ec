import * as z from 'zod';
import { type PanelRequest, panelCommands } from '../../protocol/panel.ts';

const dir = z.string().min(1).max(4096);
const step = z.int().min(0);
const place = z.int().min(0);

/**
 * What the page may ask for. A page is not trusted: it shows text that a model wrote. Whether a directory is one of a
 * known run is for who answers to check.
 */
const panelRequest = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('ready'), shown: dir.nullable(), compared: dir.nullable() }),
  z.object({ kind: z.literal('show-run'), dir: dir.nullable() }),
  z.object({ kind: z.literal('compare-run'), dir: dir.nullable() }),
  z.object({ kind: z.literal('show-samples'), dir, step, offset: place }),
  z.object({ kind: z.literal('denoise-sample'), dir, step, index: place }),
  z.object({ kind: z.literal('denoise-here'), seed: z.int().min(0), alternatives: z.int().min(1).max(10) }),
  z.object({ kind: z.literal('cancel-denoise') }),
  z.object({ kind: z.literal('insert'), text: z.string().max(100_000) }),
  z.object({ kind: z.literal('copy'), text: z.string().max(1_000_000) }),
  z.object({ kind: z.literal('control'), dir, want: z.enum(['run', 'pause', 'stop']) }),
  z.object({ kind: z.literal('delete-run'), dir }),
  z.object({ kind: z.literal('command'), command: z.enum(panelCommands) }),
]) satisfies z.ZodType<PanelRequest>;

/** A message of the page as a request; null where it is none. */
export function parsePanelRequest(message: unknown): PanelRequest | null {
  return panelRequest.safeParse(message).data ?? null;
}
