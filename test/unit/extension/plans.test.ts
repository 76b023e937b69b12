import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DEFAULT_RULE } from '../../../src/core/averaging/defaults.ts';
import { planOptions } from '../../../src/extension/averaging/plans.ts';

test('the quick pick offers the same rule first as the command line takes by default', () => {
  assert.equal(planOptions()[0]?.value.rule, DEFAULT_RULE);
});
