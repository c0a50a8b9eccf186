"""What a finished bundle goes through on its way to other machines: verified, pushed, packaged."""
