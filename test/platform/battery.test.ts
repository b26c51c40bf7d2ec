import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, describe, it } from 'node:test';
import { onBattery, onBatteryByLinux, readBatteryStatus, readPmset } from '../../src/platform/battery.ts';

const folders: string[] = [];
after(() => Promise.all(folders.map((folder) => rm(folder, { recursive: true, force: true }))));

/** A folder like `/sys/class/power_supply`, with one folder per supply and one file per attribute. */
async function supplies(...described: readonly Readonly<Record<string, string>>[]): Promise<string> {
  const root = await mkdtemp(path.join(tmpdir(), 'unmask-power-'));
  folders.push(root);
  for (const [index, attributes] of described.entries()) {
    await mkdir(path.join(root, `S${index}`));
    for (const [name, value] of Object.entries(attributes))
      await writeFile(path.join(root, `S${index}`, name), `${value}\n`);
  }
  return root;
}

const plug = (online: '0' | '1') => ({ type: 'Mains', online });
const battery = (status: string) => ({ type: 'Battery', status });

describe('whether a machine runs on battery', () => {
  it('can be queried on this machine without an error', async () => {
    assert.ok([true, false, null].includes(await onBattery()));
  });

  for (const [what, described, expected] of [
    ['plugged in', [plug('1'), battery('Charging')], false],
    ['plugged in, but the battery discharges', [battery('Discharging'), plug('1')], false],
    ['charged over USB', [battery('Charging'), { type: 'USB', online: '1' }], false],
    ['unplugged', [plug('0'), battery('Discharging')], true],
    ['unplugged, the second of two batteries in use', [battery('Discharging'), battery('Full')], true],
    ['full and idle', [plug('0'), battery('Full')], false],
    ['a desktop', [plug('1')], false],
    ['a desktop with a wireless mouse', [{ ...battery('Discharging'), scope: 'Device' }], null],
    ['a virtual machine', [], null],
  ] as const) {
    it(`Linux: ${what}`, async () => {
      assert.equal(await onBatteryByLinux(await supplies(...described)), expected);
    });
  }

  it('Linux: no power supply information', async () => {
    assert.equal(await onBatteryByLinux('/no/such/folder'), null);
  });

  it('macOS: the output of pmset', () => {
    const laptop = (source: string) =>
      `Now drawing from '${source}'\n -InternalBattery-0 (id=4653155)\t85%; discharging; 6:08 remaining present: true\n`;
    assert.equal(readPmset(laptop('Battery Power')), true);
    assert.equal(readPmset(laptop('AC Power')), false);
    assert.equal(readPmset("Now drawing from 'AC Power'\n"), null);
    assert.equal(readPmset(''), null);
  });

  it('Windows: the output of Win32_Battery', () => {
    assert.equal(readBatteryStatus('1\r\n'), true);
    assert.equal(readBatteryStatus('2\r\n'), false);
    assert.equal(readBatteryStatus('2\r\n5\r\n'), true);
    assert.equal(readBatteryStatus('\r\n'), null);
    assert.equal(readBatteryStatus('Get-CimInstance : not found'), null);
  });
});
