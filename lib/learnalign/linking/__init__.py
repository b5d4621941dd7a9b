"""Linking: who did what before which review (`windows`, `exposures`), from gap to closing
(`journeys`), team by quarter (`teams`); no row falls out without a line (`account`). Ibis only."""
