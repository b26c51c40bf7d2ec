import * as z from 'zod';
import { messageOf, UsageError, UserError } from '../platform/errors.ts';
import { assertMaySendTo, hostOf, isLoopback } from '../platform/remote-host.ts';
import { printableLine } from '../protocol/printable.ts';
import type { InfillingItem } from './infilling.ts';
import { withoutOverlap } from './overlap.ts';

/**
 * How a server is asked: llama.cpp's `/infill`, or `/v1/completions` with the text after the gap (`suffix`) or without it (`prefix`).
 */
export const peerModes = ['infill', 'suffix', 'prefix'] as const;
export type PeerMode = (typeof peerModes)[number];

/** A server that fills gaps. */
export interface Peer {
  readonly url: URL;
  readonly mode: PeerMode;
}

/** Characters before and after a gap that a server gets. */
const sent = { before: 4_000, after: 2_000 } as const;
/** Tokens of an answer. A single line is expected. */
const answerTokens = 64;
/** Milliseconds that a server has for an answer. */
const answerTime = 60_000;

/**
 * Checks the address of a server. Only this machine may get code, unless the user names the other machine in `allowedHost`.
 *
 * @throws UsageError that says what would be sent
 */
export function parsePeer(address: string, mode: PeerMode, allowedHost: string | undefined): Peer {
  const url = URL.canParse(address) ? new URL(address) : null;
  if (!url || !/^https?:$/.test(url.protocol) || url.username !== '' || url.password !== '')
    throw new UsageError(
      `--peer ${printableLine(address)}: give an address such as http://127.0.0.1:8080, without user and password.`,
    );
  assertMaySendTo(hostOf(url), { allowed: allowedHost, option: '--peer', what: whatIsSent });
  return { url, mode };
}

/** What a server gets of each gap. */
export const whatIsSent = `up to ${sent.before + sent.after} characters of your code around each gap`;

/** Whether a server is on another machine. */
export const isRemote = ({ url }: Peer): boolean => !isLoopback(hostOf(url));

/** What a server writes in a gap, as an editor would insert it. Throws a `UserError` with one sentence if it does not answer. */
export async function askPeer(peer: Peer, { prefix, suffix }: InfillingItem, signal: AbortSignal): Promise<string> {
  const before = prefix.slice(-sent.before);
  const after = suffix.slice(0, sent.after);
  const asked = {
    infill: { path: 'infill', body: { input_prefix: before, input_suffix: after, n_predict: answerTokens } },
    suffix: { path: 'v1/completions', body: { prompt: before, suffix: after, max_tokens: answerTokens } },
    prefix: { path: 'v1/completions', body: { prompt: before, max_tokens: answerTokens } },
  }[peer.mode];
  const address = new URL(asked.path, peer.url.href.endsWith('/') ? peer.url : `${peer.url.href}/`);
  const answer = await request(address, { ...asked.body, temperature: 0, stop: ['\n'], stream: false }, signal);
  const text = (peer.mode === 'infill' ? infillAnswer : completionAnswer).safeParse(answer);
  if (!text.success) throw new UserError(`${address} did not answer as llama.cpp does; check --peer-mode.`);
  return withoutOverlap(text.data.split('\n')[0] as string, suffix);
}

const infillAnswer = z.object({ content: z.string() }).transform(({ content }) => content);
const completionAnswer = z
  .object({ choices: z.array(z.object({ text: z.string() })).min(1) })
  .transform(({ choices }) => choices[0]!.text);

async function request(address: URL, body: object, signal: AbortSignal): Promise<unknown> {
  try {
    const response = await fetch(address, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
      // A redirect could lead to another machine.
      redirect: 'error',
      signal: AbortSignal.any([signal, AbortSignal.timeout(answerTime)]),
    });
    if (!response.ok) throw new Error(`HTTP status ${response.status}`);
    return await response.json();
  } catch (error) {
    signal.throwIfAborted();
    const { cause } = error as Error;
    const why = printableLine(cause instanceof Error && cause.message !== '' ? cause.message : messageOf(error));
    throw new UserError(`${address} did not answer (${why}); start the server, or check --peer and --peer-mode.`);
  }
}
