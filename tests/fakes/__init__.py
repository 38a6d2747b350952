"""Stand-ins for every port: quick, exact, and able to fail when told."""
