#!/usr/bin/perl
# check_mail_dkim.pl FOLDER: as check_dkimpy.py, by Mail::DKIM, which knows RSA only here:
# signatures of other algorithms are left out.
use strict;
use warnings;
use Mail::DKIM::Verifier;
use Mail::DKIM::DNS;
use Net::DNS::RR;

my $folder = shift;

{
    no warnings 'redefine';
    *Mail::DKIM::DNS::query = sub {
        my ($name) = @_;
        open my $file, '<', "$folder/$name.txt" or return;
        my $record = do { local $/; <$file> };
        return Net::DNS::RR->new(owner => $name, type => 'TXT',
            txtdata => [ $record =~ /(.{1,255})/g ]);
    };
}

for my $path (sort glob("$folder/*.eml")) {
    open my $file, '<:raw', $path or die $path;
    my $verifier = Mail::DKIM::Verifier->new;
    $verifier->PRINT(do { local $/; <$file> });
    $verifier->CLOSE;
    my @results = map { $_->result eq 'pass' ? 'good' : 'bad' }
        grep { $_->domain eq 'example.test' && $_->algorithm eq 'rsa-sha256' }
        $verifier->signatures;
    print join(' ', $path =~ s|.*/||r, @results), "\n";
}
