"""Everything that speaks HTTP to Microsoft Graph."""
