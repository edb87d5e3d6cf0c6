"""The ground floor: element types, units, errors, source locations. Imports nothing else of the package."""
